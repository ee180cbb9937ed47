"""The tables of the store, as each version of the service added to those before it."""

# What each version of the schema adds to the one before; a new file gets them all, one after the other.
SCHEMAS = (
    """
CREATE TABLE zones (
    zone_id TEXT PRIMARY KEY,
    vwc REAL, measured_at INTEGER, seq INTEGER, boot_id TEXT,  -- the newest sample
    due_at INTEGER,                                            -- when to decide about it; NULL: decided
    epoch INTEGER NOT NULL DEFAULT 0                           -- the largest that was ever used or reported
) WITHOUT ROWID;
CREATE TABLE commands (
    command_id TEXT PRIMARY KEY, zone_id TEXT NOT NULL, gateway_id TEXT NOT NULL,
    state TEXT NOT NULL, code TEXT, message TEXT NOT NULL, issued_at INTEGER NOT NULL,
    give_up_at INTEGER,                                        -- NULL: closed
    closed_at INTEGER
) WITHOUT ROWID;
CREATE INDEX commands_open ON commands (give_up_at) WHERE give_up_at IS NOT NULL;
CREATE INDEX commands_closed ON commands (zone_id, closed_at);
CREATE TABLE deliveries (
    command_id TEXT PRIMARY KEY, zone_id TEXT NOT NULL, ended_at INTEGER NOT NULL,
    duration_s REAL NOT NULL, volume_l REAL, source TEXT NOT NULL, end_reason TEXT
) WITHOUT ROWID;
CREATE INDEX deliveries_ended ON deliveries (zone_id, ended_at);
CREATE TABLE decisions (
    decision_id TEXT PRIMARY KEY, zone_id TEXT NOT NULL, at INTEGER NOT NULL,
    command_id TEXT, sentence TEXT NOT NULL, checks TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX decisions_at ON decisions (zone_id, at);
CREATE TABLE updates (
    update_id TEXT PRIMARY KEY, device_id TEXT NOT NULL, settings TEXT NOT NULL, state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE gateways (gateway_id TEXT PRIMARY KEY, state TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
""",
    """
CREATE TABLE probes (  -- the newest sample of each probe that a zone has besides its own
    sensor_id TEXT PRIMARY KEY, zone_id TEXT NOT NULL,
    vwc REAL NOT NULL, measured_at INTEGER NOT NULL, seq INTEGER NOT NULL, boot_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX probes_zone ON probes (zone_id);
""",
    """
DROP TABLE probes;
ALTER TABLE zones DROP COLUMN vwc;
ALTER TABLE zones DROP COLUMN measured_at;
ALTER TABLE zones DROP COLUMN seq;
ALTER TABLE zones DROP COLUMN boot_id;
CREATE TABLE models (zone_id TEXT PRIMARY KEY, model TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE samples (  -- moisture that waits for its zone's next decision
    sensor_id TEXT, measured_at INTEGER, seq INTEGER, boot_id TEXT, zone_id TEXT NOT NULL, vwc REAL,
    PRIMARY KEY (sensor_id, measured_at, seq, boot_id)
) WITHOUT ROWID;
CREATE INDEX samples_zone ON samples (zone_id);
CREATE TABLE weather (  -- samples of the weather stations, of the last days
    gateway_id TEXT, measured_at INTEGER, seq INTEGER, boot_id TEXT, quantities TEXT NOT NULL,
    PRIMARY KEY (gateway_id, measured_at, seq, boot_id)
) WITHOUT ROWID;
CREATE TABLE hours (  -- of weather, reckoned once
    gateway_id TEXT, at INTEGER, et0_mm REAL NOT NULL, rain_mm REAL NOT NULL, source TEXT NOT NULL, sun_ratio REAL,
    PRIMARY KEY (gateway_id, at)
) WITHOUT ROWID;
CREATE TABLE water (  -- out of a zone's emitters: litres, or seconds at the nominal rate where nothing measured it
    water_id TEXT PRIMARY KEY, zone_id TEXT NOT NULL, at INTEGER NOT NULL, litres REAL, duration_s REAL NOT NULL,
    back_s REAL NOT NULL DEFAULT 0,                            -- was booked before, and is taken back
    source TEXT NOT NULL, taken INTEGER NOT NULL DEFAULT 0     -- 1: the zone's model knows it
) WITHOUT ROWID;
CREATE INDEX water_at ON water (zone_id, at);
CREATE INDEX water_new ON water (zone_id) WHERE taken = 0;
CREATE TABLE settings (  -- of zones, as decisions used them
    hash TEXT PRIMARY KEY, fields TEXT NOT NULL
) WITHOUT ROWID;
ALTER TABLE decisions ADD COLUMN reasons BLOB;
ALTER TABLE decisions ADD COLUMN inputs BLOB;
UPDATE zones SET due_at = NULL;
INSERT INTO water SELECT command_id, zone_id, ended_at, volume_l, duration_s, 0, source, 1 FROM deliveries
""",
)
