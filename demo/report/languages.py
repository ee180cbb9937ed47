"""The languages that a report is written in: the words of the views, of the injected faults and of its own."""

from compute_service.adapters import crops_table
from demo.faults import words_en as faults_en
from demo.faults import words_pt as faults_pt
from demo.report import words_en, words_pt
from views.words_en import ENGLISH
from views.words_pt import PORTUGUESE

REPORT_ENGLISH = ENGLISH.with_words({**faults_en.WORDS, **words_en.WORDS})
_CROPS_PT = {name: crops_table.crop(name).name_pt for name in crops_table.names()}
REPORT_PORTUGUESE = PORTUGUESE.with_names(_CROPS_PT).with_words({**faults_pt.WORDS, **words_pt.WORDS})
LANGUAGES = (REPORT_ENGLISH, REPORT_PORTUGUESE)
FILES = {"en": "report.html", "pt-BR": "report.pt-BR.html"}  # by the code of the language
