"""The words of a demonstration's report in Brazilian Portuguese, beside those of the views."""

WORDS = {
    # one|many
    "late_opening": "abertura de válvula além do limite|aberturas de válvula além do limite",
    "dry_plot": "talhão abaixo do ponto de murcha|talhões abaixo do ponto de murcha",
    "lost_sample": "amostra perdida|amostras perdidas",
    # the head
    "delivered": "{days}, {plots}: {water} de água aplicados",
    "closed_on_time": "todas as válvulas fecharam na hora",
    "told_on_time": "todas as válvulas receberam na hora a ordem de fechar",
    "faults_noticed": "{noticed} de {faults} notadas",
    "period": "de {first} a {last}, no horário da fazenda ({timezone})",
    "of_water": "de água, lâmina de {mm} mm em {hectares}\u00a0ha",
    "of_rain": "de chuva",
    "runs_each": "irrigações, de {minutes}\u00a0min em média",
    "runs_none": "irrigações",
    "share_of": "{part} de {whole}",
    "above_wilting": "talhões sempre acima do ponto de murcha, pelo modelo do campo",
    "samples_kept": "amostras de solo e clima guardadas, {lost} perdidas",
    # safety
    "safety": "Segurança",
    "valves_beyond": "Válvulas mandadas abrir além do limite",
    "commands_sent": "Comandos enviados",
    "commands_done": "Comandos cumpridos",
    "commands_rejected": "Comandos rejeitados",
    "commands_expired": "Comandos vencidos sem resposta",
    "refusals": "Pedidos recusados pela porta de entrada, pelos gateways ou pelo serviço",
    "plots_dry": "Talhões abaixo do ponto de murcha, pelo modelo do campo",
    # records
    "records": "Registros",
    "samples_taken": "Amostras medidas",
    "samples_in_lake": "Amostras no lake",
    "samples_quarantined": "Em quarentena",
    "samples_dropped": "Descartadas por caixa de saída cheia",
    "samples_lost": "Perdidas",
    "duplicates": "Repetidas, deixadas de fora",
    "tables": "Tabelas",
    "fingerprint": "SHA-256 do lake",
    # titles
    "map": "A fazenda",
    "balance": "Balanço hídrico",
    "balance_lead": "Em milímetros, na zona das raízes, pelo modelo do campo: o que entrou menos o que saiu é o que o "
    "solo guarda a mais ou a menos do que no começo. A barra de cima é o que entrou, a de baixo o que saiu; o que o "
    "solo cedeu ou guardou iguala as duas. Maior diferença: {error}\u00a0mm.",
    "plots": "Talhão por talhão",
    "legend_fault": "falha provocada",
    # the foot
    "footer": "Demonstração do PythoFlow: {gateways}, semente {seed}, broker {broker}, {messages} mensagens, "
    "{seconds} s de trabalho. O clima vem de registros e o solo é um modelo; gateways, mensagens, decisões e lake são "
    "os programas de verdade.",
}
