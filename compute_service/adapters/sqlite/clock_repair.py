"""What was written while the clock was ahead, brought back to the present, so that nothing waits for that future."""

from compute_service.adapters.sqlite.database import Database

# A stop is never given up; of the rest each lives as long as one that is given now, or a plan's seconds longer.
_REPAIRS = (
    "UPDATE zones SET due_at = :now WHERE due_at > :now + :soon",
    "DELETE FROM samples WHERE measured_at > :now + :soon",
    "DELETE FROM weather WHERE measured_at > :now + :soon",
    "DELETE FROM hours WHERE at > :now",
    "DELETE FROM history WHERE at > :now",
    "DELETE FROM statuses WHERE heard_at > :now",
    "UPDATE gateways SET heard_at = :now WHERE heard_at > :now",
    "UPDATE water SET at = :now WHERE at > :now",
    "UPDATE deliveries SET ended_at = :now WHERE ended_at > :now",
    "UPDATE unbooked_runs SET ended_at = :now WHERE ended_at > :now",
    "UPDATE commands SET closed_at = :now WHERE closed_at > :now",
    """UPDATE commands SET give_up_at = :now + :life + coalesce(json_extract(message, '$.duration_s'), 0)
        WHERE issued_at > :now AND give_up_at IS NOT NULL
        AND json_extract(message, '$.action') IN ('open', 'fallback', 'clear')""",
    """UPDATE holds SET since = :now, until = CASE kind WHEN 'close' THEN :now + until - since ELSE until END
        WHERE since > :now""",
    "UPDATE orders SET ended_at = :now WHERE ended_at > :now",
)


def bring_back(database: Database, now: int, soon: int, life: int) -> None:
    """All of it in one transaction; see `domain.ports.Store`."""
    times = {"now": now, "soon": soon, "life": life}
    with database.transaction():
        for statement in _REPAIRS:
            database.run(statement, **{name: at for name, at in times.items() if f":{name}" in statement})
