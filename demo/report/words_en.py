"""The words of a demonstration's report in English, beside those of the views."""

WORDS = {
    # one|many
    "late_opening": "valve opening beyond the bound|valve openings beyond the bound",
    "dry_plot": "plot below the wilting point|plots below the wilting point",
    "lost_sample": "sample lost|samples lost",
    # the head
    "delivered": "{days}, {plots}: {water} delivered",
    "closed_on_time": "every valve closed on time",
    "told_on_time": "every valve was told to close on time",
    "faults_noticed": "{noticed} of {faults} noticed",
    "period": "{first} to {last}, in the farm's time ({timezone})",
    "of_water": "of water, {mm} mm on {hectares}\u00a0ha",
    "of_rain": "of rain",
    "runs_each": "irrigation runs, {minutes}\u00a0min each",
    "runs_none": "irrigation runs",
    "share_of": "{part} of {whole}",
    "above_wilting": "plots always above the wilting point, by the field model",
    "samples_kept": "soil and weather samples kept, {lost} lost",
    # safety
    "safety": "Safety",
    "valves_beyond": "Valves told open beyond their bound",
    "commands_sent": "Commands sent",
    "commands_done": "Commands done",
    "commands_rejected": "Commands rejected",
    "commands_expired": "Commands expired",
    "refusals": "Requests refused by gate, gateways or service",
    "plots_dry": "Plots below the wilting point, by the field model",
    # records
    "records": "Records",
    "samples_taken": "Samples taken",
    "samples_in_lake": "Samples in the lake",
    "samples_quarantined": "In quarantine",
    "samples_dropped": "Dropped by a full outbox",
    "samples_lost": "Lost",
    "duplicates": "Duplicates left out",
    "tables": "Tables",
    "fingerprint": "SHA-256 of the lake",
    # titles
    "map": "The farm",
    "balance": "Water balance",
    "balance_lead": "Millimetres in the root zone, by the field model: what came in, less what went out, is what the "
    "soil holds more or less than at the start. The upper bar is what came in, the lower what went out; what the soil "
    "gave or kept makes them equally long. Largest difference: {error}\u00a0mm.",
    "plots": "Plot by plot",
    "legend_fault": "fault injected",
    # the foot
    "footer": "PythoFlow demonstration: {gateways}, seed {seed}, {broker} broker, {messages} messages, {seconds} s of "
    "work. The weather comes from records and the soil is a model; gateways, messages, decisions and lake are the real "
    "programs.",
}
