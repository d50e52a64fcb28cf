"""The language of a question, and where none can be told."""

from __future__ import annotations

import pytest

from contextrl.building.languages import language_of

TOLD = [
    ("In triangle ABC, angle A = 30, find angle B.", "en"),
    ("Let $f$ be a function. Determine $f(2)$.", "en"),
    ("Given that AB = 5, find the length of BC.", "en"),
    ("What is the color of the car?", "en"),
    ("In triangle ABC, AB = AC and angle A is 40 degrees. What is the measure of angle B?", "en"),
    ("As shown in the figure, ABCD is a rhombus. If AC = 8 and DB = 6, then DH equals", "en"),
    (r"Find the value of the integral $\int_0^1 x^2\,dx$ shown in the picture.", "en"),
    ("What does the sign “出口” in the picture mean?", "en"),
    ('What does the restaurant "Le Petit Chateau de la Montagne" serve?', "en"),
    ("Which animal is shown in the picture?\nA. Hund\nB. Katze\nC. Maus", "en"),
    ("WHAT IS THE NAME OF THE BUILDING?", "en"),
    ("Wie viele Personen sind auf dem Bild zu sehen?", "de"),
    ("Welche Farbe hat das Auto?", "de"),
    ("Combien de personnes y a-t-il sur la photo ?", "fr"),
    ("¿Cuántas personas hay en la imagen?", "es"),
    ("Quantas pessoas estão na imagem?", "pt"),
    ("Quante persone ci sono nella foto?", "it"),
    ("Hoeveel mensen staan er op de foto?", "nl"),
    ("Ile osób jest na zdjęciu?", "pl"),
    ("Hur många personer finns på bilden?", "sv"),
    ("Resimde kaç kişi var?", "tr"),
    ("Có bao nhiêu người trong bức ảnh?", "vi"),
    ("Сколько людей изображено на этой картинке?", "ru"),
    ("Скільки людей на зображенні?", "uk"),
    ("كم عدد الأشخاص الموجودين في هذه الصورة؟", "ar"),
    ("چند نفر در تصویر هستند؟", "fa"),
    ("चित्र में कितने लोग हैं?", "hi"),
    ("图中有多少人?", "zh"),
    ("如图,在三角形ABC中,AB=AC,则角B的度数为( )\nA. 30 B. 40 C. 50 D. 60", "zh"),
    ("已知函数$f(x)=\\sin x+\\cos x$,求f(x)的最大值", "zh"),
    ("如图，AB∥CD，sin∠A=0.6，求cos∠B的值", "zh"),
    ("圖中有多少個三角形?", "zh"),
    ("写真には何人いますか？", "ja"),
    ("この図形の面積を求めなさい。", "ja"),
    ("사진에 몇 명이 있습니까?", "ko"),
    ("삼각형 ABC에서 AB=AC일 때 각 B의 크기는?", "ko"),
    ("ในภาพมีกี่คน", "th"),
    ("Πόσα άτομα υπάρχουν στην εικόνα;", "el"),
    ("כמה אנשים יש בתמונה?", "he"),
]

UNDECIDED = [
    "Find x.",
    "x = ?",
    r"$\int_0^1 x^2\,dx$ = ?",
    r"\frac{a}{b} + \frac{c}{d}",
    "sin(30) + cos(60) = ?",
    "AB = AC",
    "12 + 7",
    "α + β = ?",
    "ABCD",
    "面积",
    "radius",
    "3 cm + 4 km",
    "?",
    "",
    "🙂🙂🙂",
    "Find the length of AB in the figure 求图中线段AB的长度是多少厘米",
    "如图所示 what is the area of the triangle 三角形面积 in the picture",
    "Number",
]


@pytest.mark.parametrize(("question", "code"), TOLD)
def test_languages_that_are_told(question: str, code: str) -> None:
    assert language_of(question) == code


@pytest.mark.parametrize("question", UNDECIDED)
def test_nothing_is_guessed(question: str) -> None:
    assert language_of(question) == ""


def test_more_confidence_decides_less() -> None:
    assert language_of("Is Lawn Green the minimum?", 0.5) == "en"
    assert language_of("Is Lawn Green the minimum?", 0.99) == ""
