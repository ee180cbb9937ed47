"""The kinds of alarm: one row each, with its severity, its condition, when it ends, and its words in two languages.

A further kind is a further row. What ends with a person's work says so in its words.
"""

from collections.abc import Callable, Mapping

from agronomy.units import DAY_S, HOUR_S
from compute_service.domain import alarm_conditions as conditions
from compute_service.domain.alarm_conditions import MINUTE_S
from compute_service.domain.alarms import CRITICAL, FARM, NOTICE, WARNING, Alarm, AlarmKind, Condition, Words

SERVICE_STILL = "service_still"


def _row(  # noqa: PLR0913, PLR0917  # a row of the table
    name: str,
    severity: str,
    scope: str,
    condition: Condition,
    after_s: int,
    quiet_s: int,
    en: tuple[str, str, str],
    pt: tuple[str, str, str],
) -> AlarmKind:
    return AlarmKind(
        name=name,
        severity=severity,
        scope=scope,
        condition=condition,
        after_s=after_s,
        quiet_s=quiet_s,
        words={"en": Words(*en), "pt": Words(*pt)},
    )


_EXPIRES = conditions.expires(conditions.EXPIRES_SOON_S, conditions.EXPIRES_S)
_ENDS = conditions.expires(0, conditions.EXPIRES_SOON_S)
_EXPIRY_WORDS = {
    "en": (
        "The {identity} of {who} ends on {expires_on}, and with it the connection",
        "Renew it: python -m certs renew {thing}; docs/certs.md says how, also for a CA.",
        "when a later date is told",
    ),
    "pt": (
        "{identity} de {who} termina em {expires_on}, e com isso a conexão",
        "Renove: python -m certs renew {thing}; docs/certs.md diz como, também para uma CA.",
        "quando constar uma data posterior",
    ),
}
KINDS: tuple[AlarmKind, ...] = (
    _row(
        *("gateway_silent", WARNING, "gateway", conditions.silent, 0, 2 * MINUTE_S),
        en=(
            "{place} is silent, and {zones} of the farm's zones get no decision",
            "Look at its power, its Wi-Fi and its distance to the router.",
            "when it is heard again",
        ),
        pt=(
            "{place} está em silêncio, e {zones} talhões da fazenda ficam sem decisão",
            "Verifique a energia, o Wi-Fi e a distância até o roteador.",
            "quando voltar a dar sinal",
        ),
    ),
    _row(
        *("reading_stale", WARNING, "zone", conditions.stale, 0, 10 * MINUTE_S),
        en=(
            "{place} has had no reading for longer than the {most_s} that are allowed, so it gets no water",
            "Look at the probe's cable; its gateway is heard.",
            "when a reading comes",
        ),
        pt=(
            "{place} está sem leitura há mais do que {most_s}, o máximo permitido, e não recebe água",
            "Verifique o cabo da sonda; o gateway dela dá sinal.",
            "quando chegar uma leitura",
        ),
    ),
    _row(
        *("probe_stuck", WARNING, "probe", conditions.verdict("stuck"), 0, 3 * HOUR_S),
        en=(
            "Probe {place} always tells the same",
            "Take it out, clean it, and set it again; it is not gone by meanwhile.",
            "when its readings move with the soil for 3 h",
        ),
        pt=(
            "A sonda {place} diz sempre o mesmo",
            "Retire-a, limpe-a e instale-a de novo; enquanto isso ela não conta.",
            "quando as leituras acompanharem o solo por 3 h",
        ),
    ),
    _row(
        *("probe_drifting", NOTICE, "probe", conditions.verdict("drifting"), 0, DAY_S),
        en=(
            "Probe {place} drifts: in full soil it reads otherwise than it did",
            "Calibrate or replace it when there is time; other probes of the zone count before it.",
            "when it reads as at first for a day",
        ),
        pt=(
            "A sonda {place} está derivando: em solo cheio ela lê diferente de antes",
            "Calibre-a ou troque-a quando puder; as outras sondas do talhão contam antes dela.",
            "quando ler como no início por um dia",
        ),
    ),
    _row(
        *("probe_dead", WARNING, "probe", conditions.verdict("dead"), 0, DAY_S),
        en=(
            "Probe {place} tells values that no soil has",
            "Look at its cable and whether it stands in soil; replace it.",
            "when its values can be believed for a day",
        ),
        pt=(
            "A sonda {place} dá valores que nenhum solo tem",
            "Verifique o cabo e se ela está na terra; troque-a.",
            "quando os valores forem críveis por um dia",
        ),
    ),
    _row(
        *("probe_percent", WARNING, "probe", conditions.verdict("percent"), 0, HOUR_S),
        en=(
            "Probe {place} tells percent where a fraction is wanted, and is not gone by",
            "Set the probe or its gateway up to tell m3 of water per m3 of soil, 0 to 1.",
            "when it tells fractions for an hour",
        ),
        pt=(
            "A sonda {place} informa porcentagem onde se espera uma fração, e não conta",
            "Configure a sonda ou o gateway para informar m3 de água por m3 de solo, de 0 a 1.",
            "quando informar frações por uma hora",
        ),
    ),
    _row(
        *("probe_silent", NOTICE, "probe", conditions.silent_probe, HOUR_S, HOUR_S),
        en=(
            "Probe {place} is not heard any more; others of its zone are",
            "Look at its cable.",
            "when it has been heard for an hour",
        ),
        pt=(
            "A sonda {place} não dá mais sinal; outras do talhão dão",
            "Verifique o cabo.",
            "quando der sinal por uma hora",
        ),
    ),
    _row(
        *("command_expired", WARNING, "zone", conditions.unanswered, 0, 0),
        en=(
            "{place} was told to open, and nobody answered; its water is counted as given",
            "Look whether the gateway is there, and whether the valve is shut.",
            "when a command of this zone is answered",
        ),
        pt=(
            "{place} recebeu ordem de abrir e ninguém respondeu; a água conta como dada",
            "Verifique se o gateway está lá e se a válvula está fechada.",
            "quando um comando deste talhão for respondido",
        ),
    ),
    _row(
        *("valve_open", CRITICAL, "zone", conditions.open_beyond, 0, 0),
        en=(
            "The valve of {place} is reported open, and no run is under way there",
            "Close it by hand or with `close`, and look at the valve and its relay.",
            "when a status says that it is shut",
        ),
        pt=(
            "A válvula de {place} consta como aberta sem rega em andamento",
            "Feche-a à mão ou com `close`, e verifique a válvula e o relé.",
            "quando um status disser que está fechada",
        ),
    ),
    _row(
        *("stop_unanswered", CRITICAL, "stop", conditions.stop_unanswered, 0, 0),
        en=(
            "{gateway} has not answered an order to stop; it is told again when it is back",
            "Shut the water by hand if a valve there may be open.",
            "when it answers, or somebody resumes",
        ),
        pt=(
            "{gateway} não respondeu a uma ordem de parar; ela será repetida quando ele voltar",
            "Feche a água à mão se alguma válvula de lá puder estar aberta.",
            "quando responder, ou alguém retomar",
        ),
    ),
    _row(
        *("run_unseen", WARNING, "zone", conditions.unseen, 0, 0),
        en=(
            "No probe of {place} saw its last run of {unseen_mm}",
            "Look at valve, pipes, emitters and probes.",
            "when a later run is seen",
        ),
        pt=(
            "Nenhuma sonda de {place} viu a última rega, de {unseen_mm}",
            "Verifique válvula, canos, emissores e sondas.",
            "quando uma rega seguinte for vista",
        ),
    ),
    _row(
        *("water_while_shut", CRITICAL, "zone", conditions.leaking, 0, 6 * HOUR_S),
        en=(
            "Water flows at {place} while its valve is shut: {leak_l} were told of last",
            "Shut the main valve, and look for a leak or a valve that does not close.",
            "when none was told of for 6 h",
        ),
        pt=(
            "Corre água em {place} com a válvula fechada: {leak_l} no último aviso",
            "Feche o registro geral e procure um vazamento ou uma válvula que não fecha.",
            "quando não houver aviso por 6 h",
        ),
    ),
    _row(
        *("leak", CRITICAL, "gateway", conditions.latch, 0, 0),
        en=(
            "{place} saw water where none should flow, at {zones}: it has shut everything, and opens nothing",
            "Look at valves and pipes there; when they are sound, order `clear`, on the page of the gateway or a zone.",
            "when a status says that nothing is latched",
        ),
        pt=(
            "{place} viu água onde não devia correr, em {zones}: fechou tudo e não abre nada",
            "Verifique válvulas e canos; quando estiverem bons, ordene `clear`, na página do gateway ou de um talhão.",
            "quando um status disser que nada está travado",
        ),
    ),
    _row(
        *("flow_high", WARNING, "zone", conditions.flow(lambda share, flows: share > flows[1]), 0, 0),
        en=(
            "{place} took {flow_l_min} in its last run, far more than its {nominal_l_min}",
            "Look for a burst pipe or lost emitters.",
            "when a measured run is usual again",
        ),
        pt=(
            "{place} levou {flow_l_min} na última rega, muito mais que os {nominal_l_min} nominais",
            "Procure um cano rompido ou emissores perdidos.",
            "quando uma rega medida for normal",
        ),
    ),
    _row(
        *("flow_low", WARNING, "zone", conditions.flow(lambda share, flows: share < flows[0]), 0, 0),
        en=(
            "{place} took only {flow_l_min} in its last run, of {nominal_l_min}",
            "Look at the pump, the filter, the main valve and for blocked emitters.",
            "when a measured run is usual again",
        ),
        pt=(
            "{place} levou só {flow_l_min} na última rega, de {nominal_l_min}",
            "Verifique a bomba, o filtro, o registro e se há emissores entupidos.",
            "quando uma rega medida for normal",
        ),
    ),
    _row(
        *("budget_used_up", WARNING, "zone", conditions.budget, 0, HOUR_S),
        en=(
            "{place} lacks {lacks_mm} and gets none: {budget}",
            "Raise the budget in the zones file, or let it wait.",
            "when the budget is new, or the zone has what it needs",
        ),
        pt=(
            "Faltam {lacks_mm} em {place}, e não vem água: {budget}",
            "Aumente o limite no arquivo dos talhões, ou deixe esperar.",
            "quando o limite se renovar, ou o talhão tiver o que precisa",
        ),
    ),
    _row(
        *("outbox_drops", WARNING, "gateway", conditions.dropping, 0, 6 * HOUR_S),
        en=(
            "{place} has lost {dropped} messages: its memory was full",
            "Look at its connection; ask for fewer samples, or give it more memory.",
            "when none was lost for 6 h",
        ),
        pt=(
            "{place} perdeu {dropped} mensagens: a memória encheu",
            "Verifique a conexão; peça menos amostras ou dê mais memória.",
            "quando nada se perder por 6 h",
        ),
    ),
    _row(
        *("clock_unsure", WARNING, "gateway", conditions.unsure, 30 * MINUTE_S, HOUR_S),
        en=(
            "The clock of {place} is not right, or not sure: its samples do not count, and it may open no valve",
            "Let it reach a time server (NTP, UDP port 123).",
            "when its clock is right for an hour",
        ),
        pt=(
            "O relógio de {place} está errado ou incerto: as amostras não contam, e ele talvez não abra válvula",
            "Deixe-o alcançar um servidor de hora (NTP, porta UDP 123).",
            "quando o relógio estiver certo por uma hora",
        ),
    ),
    _row(
        *("firmware_too_old", WARNING, "gateway", conditions.too_old, 0, 0),
        en=(
            "firmware too old: {place} does not report on topics of its own, so what it says of itself counts nothing",
            "Update it by USB: python -m firmware flash. Its readings and acks count as before.",
            "when it reports on its own topics",
        ),
        pt=(
            "firmware antigo demais: {place} não informa em tópicos próprios, e o que diz de si não conta",
            "Atualize-o por USB: python -m firmware flash. As leituras e confirmações dele contam como antes.",
            "quando informar nos tópicos próprios",
        ),
    ),
    _row(
        *("identity_expires", WARNING, "identity", _EXPIRES, 0, 0),
        en=_EXPIRY_WORDS["en"],
        pt=_EXPIRY_WORDS["pt"],
    ),
    _row(
        *("identity_ends", CRITICAL, "identity", _ENDS, 0, 0),
        en=_EXPIRY_WORDS["en"],
        pt=_EXPIRY_WORDS["pt"],
    ),
    _row(
        *("forecast_stale", NOTICE, "farm", conditions.forecast_stale, 0, 0),
        en=(
            "No forecast has come for {age_s}: the farm goes by what is measured",
            "Look at the forecast's address in the zones file, and at the internet.",
            "when a new forecast comes",
        ),
        pt=(
            "Nenhuma previsão chega há {age_s}: a fazenda se guia pelo que mede",
            "Verifique o endereço da previsão no arquivo dos talhões, e a internet.",
            "quando chegar uma nova previsão",
        ),
    ),
    _row(
        *("forecast_useless", NOTICE, "farm", conditions.forecast_useless, HOUR_S, HOUR_S),
        en=(
            "The forecast tells of rain for {hours} hours ahead only",
            "Ask the weather service for hourly precipitation of two days or more.",
            "when it tells of 18 hours or more",
        ),
        pt=(
            "A previsão só informa chuva para as próximas {hours} horas",
            "Peça ao serviço de tempo a precipitação horária de dois dias ou mais.",
            "quando informar 18 horas ou mais",
        ),
    ),
    _row(
        *("settings_mistaken", WARNING, "settings", conditions.mistaken, 0, 0),
        en=(
            "The zones file has a mistake, and the farm goes by its old settings: {mistake}{more}",
            "Mend it in the file; a service that is started anew would not start with it.",
            "when the file is right again",
        ),
        pt=(
            "O arquivo dos talhões tem um erro, e a fazenda segue os ajustes antigos: {mistake}{more}",
            "Corrija o arquivo; um serviço reiniciado não começaria com ele.",
            "quando o arquivo estiver certo de novo",
        ),
    ),
    _row(
        *(SERVICE_STILL, CRITICAL, "farm", conditions.never, 0, 0),
        en=(
            "The service does not move: nothing is decided, and orders wait",
            "Start it: python -m compute_service run. Open valves shut by their own deadlines.",
            "when it moves again",
        ),
        pt=(
            "O serviço está parado: nada se decide, e as ordens esperam",
            "Inicie-o: python -m compute_service run. As válvulas abertas fecham no próprio prazo.",
            "quando voltar a andar",
        ),
    ),
    _row(
        *("disk_low", WARNING, "farm", conditions.disk, 0, 0),
        en=(
            "Only {free_bytes} are free on the service's disk; when it is full nothing is decided",
            "Make room, or move the store to a larger disk.",
            "when 750 MB are free",
        ),
        pt=(
            "Só {free_bytes} livres no disco do serviço; quando encher, nada se decide",
            "Abra espaço, ou mova o arquivo para um disco maior.",
            "quando houver 750 MB livres",
        ),
    ),
)
KIND_OF: Mapping[str, AlarmKind] = {kind.name: kind for kind in KINDS}
BUDGETS = ("daily_budget", "seasonal_budget", "within_daily_cap")  # the checks that a budget fails by
LANGUAGES = ("en", "pt")


def service_still(at: int, now: int) -> Alarm:
    """That the service has not moved since `at`; for readers, and never kept."""
    return Alarm(
        alarm_id=f"{SERVICE_STILL}:{FARM}:{at}",
        kind=SERVICE_STILL,
        place=FARM,
        zone_id=None,
        gateway_id=None,
        severity=KIND_OF[SERVICE_STILL].severity,
        since=at,
        raised_at=now,
    )


def words(alarm: Alarm, language: str = "en") -> Words:
    """What is wrong, what to do, and when it ends, in a language; of a kind that is not known, its name."""
    kind = KIND_OF.get(alarm.kind)
    if kind is None:
        return Words(f"{alarm.kind}: {alarm.place}", "", "")
    places = {name: _figure(name, value, language) for name, value in alarm.values.items()}
    places |= {"place": alarm.place, "gateway": alarm.gateway_id or ""}
    return Words(*[text.format(**places) for text in kind.words[language]])


def _figure(name: str, value: object, language: str) -> str:
    """A value as people write it, by the end of its name."""
    if name == "budget":
        return _BUDGET_WORDS[language].get(str(value), str(value))
    if name == "identity":
        return _IDENTITY_WORDS[language].get(str(value), str(value))
    if not isinstance(value, (int, float)):
        return str(value)
    for ending, write in _FIGURES.items():
        if name.endswith(ending):
            text = write(value)
            return text.replace(".", ",") if language == "pt" else text
    return str(value)


def _span(seconds: float) -> str:
    for size, unit in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


_FIGURES: Mapping[str, Callable[[float], str]] = {
    "_l_min": lambda value: f"{value:.1f} l/min",
    "_mm": lambda value: f"{value:.1f} mm",
    "_bytes": lambda value: f"{value / 1e6:.0f} MB",
    "_l": lambda value: f"{value:.0f} l",
    "_s": _span,
}
_IDENTITY_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {"certificate": "certificate", "ca": "certificate authority (CA)"},
    "pt": {"certificate": "O certificado", "ca": "A autoridade certificadora (CA)"},
}
_BUDGET_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "daily_budget": "the day's litres are used up",
        "seasonal_budget": "the season's litres are used up",
        "within_daily_cap": "the day's watering time is used up",
    },
    "pt": {
        "daily_budget": "os litros do dia acabaram",
        "seasonal_budget": "os litros da safra acabaram",
        "within_daily_cap": "o tempo de rega do dia acabou",
    },
}
