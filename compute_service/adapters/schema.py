"""The tables of the store, as each version of the service added to those before it."""

# A reader takes a file of this version, or of a later one, as it is: those add what no reader asks for.
READABLE = 7
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
    """
CREATE TABLE commands_of_all (
    command_id TEXT PRIMARY KEY, zone_id TEXT, gateway_id TEXT NOT NULL,  -- zone_id NULL: of all its gateway's zones
    state TEXT NOT NULL, code TEXT, message TEXT NOT NULL, issued_at INTEGER NOT NULL,
    give_up_at INTEGER,                                        -- NULL: closed
    closed_at INTEGER
) WITHOUT ROWID;
INSERT INTO commands_of_all
    SELECT command_id, zone_id, gateway_id, state, code, message, issued_at, give_up_at, closed_at FROM commands;
DROP TABLE commands;
ALTER TABLE commands_of_all RENAME TO commands;
CREATE INDEX commands_open ON commands (give_up_at) WHERE give_up_at IS NOT NULL;
CREATE INDEX commands_closed ON commands (zone_id, closed_at);
CREATE INDEX commands_state ON commands (state, issued_at);
CREATE INDEX decisions_newest ON decisions (at, zone_id, decision_id);
ALTER TABLE gateways ADD COLUMN heard_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gateways ADD COLUMN status TEXT NOT NULL DEFAULT '{}';
CREATE TABLE statuses (  -- what each gateway claimed, as it was heard
    gateway_id TEXT, heard_at INTEGER, at INTEGER NOT NULL, state TEXT NOT NULL, status TEXT NOT NULL,
    PRIMARY KEY (gateway_id, heard_at)
) WITHOUT ROWID;
CREATE TABLE orders (  -- by rowid as they were given: an id is random within its second
    order_id TEXT PRIMARY KEY, action TEXT NOT NULL, at INTEGER NOT NULL, by_whom TEXT NOT NULL, via TEXT NOT NULL,
    zone_id TEXT, duration_s INTEGER, volume_l REAL, until INTEGER, why TEXT NOT NULL,
    key TEXT UNIQUE,
    state TEXT NOT NULL, reason TEXT NOT NULL, ended_at INTEGER,
    command_ids TEXT NOT NULL                                  -- that it ends with
);
CREATE INDEX orders_open ON orders (state) WHERE ended_at IS NULL;
CREATE TABLE holds (
    kind TEXT, place TEXT,                                     -- a zone, or '' for the farm
    since INTEGER NOT NULL, until INTEGER, by_whom TEXT NOT NULL, order_id TEXT NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (kind, place)
) WITHOUT ROWID;
CREATE TABLE journal (  -- what happened; a number is never used again
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL,
    zone_id TEXT, gateway_id TEXT, body TEXT NOT NULL
);
CREATE INDEX journal_kind ON journal (kind, seq);
CREATE INDEX journal_zone ON journal (zone_id, kind, seq) WHERE zone_id IS NOT NULL;
CREATE TABLE history (  -- of the zones, one row a decision
    zone_id TEXT, at INTEGER, vwc REAL, depletion_mm REAL, due_mm REAL, sigma_mm REAL, litres REAL NOT NULL,
    PRIMARY KEY (zone_id, at)
) WITHOUT ROWID;
CREATE TABLE farms (  -- the one, as the service knows it
    id INTEGER PRIMARY KEY CHECK (id = 1), config TEXT NOT NULL
);
CREATE TABLE beats (  -- when the service last lived
    id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL, wall_s REAL NOT NULL, speed REAL NOT NULL
);
CREATE TABLE alarms (
    alarm_id TEXT PRIMARY KEY, kind TEXT NOT NULL, place TEXT NOT NULL, zone_id TEXT, gateway_id TEXT,
    severity TEXT NOT NULL, since INTEGER NOT NULL, raised_at INTEGER NOT NULL, facts TEXT NOT NULL,
    acknowledged_by TEXT, acknowledged_at INTEGER,
    ended_at INTEGER                                           -- NULL: it stands
) WITHOUT ROWID;
CREATE INDEX alarms_open ON alarms (raised_at, alarm_id) WHERE ended_at IS NULL;
CREATE INDEX alarms_ended ON alarms (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX alarms_newest ON alarms (raised_at, alarm_id)
""",
    """
DELETE FROM gateways;
DELETE FROM statuses  -- what was heard of them until now anybody may have said
""",
    """
CREATE INDEX history_water ON history (zone_id, at, litres) WHERE litres <> 0
""",
    """
CREATE TABLE unbooked_runs (  -- what a gateway gave that a store which was lost, or is older, does not know
    zone_id TEXT PRIMARY KEY, ended_at INTEGER NOT NULL, duration_s REAL NOT NULL
) WITHOUT ROWID
""",
    """
CREATE INDEX commands_plans ON commands (zone_id, issued_at) WHERE json_extract(message, '$.action') = 'fallback'
""",
    """
CREATE TABLE roots (  -- the one of its farm's topics, from the service's first start on
    id INTEGER PRIMARY KEY CHECK (id = 1), root TEXT NOT NULL
)
""",
)
