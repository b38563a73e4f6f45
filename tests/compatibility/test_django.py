"""Django: a project made on the spot is migrated, inspected, tested and taken back."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.client_tools import run
from support.journey import Place

pytestmark = [pytest.mark.journey, pytest.mark.usefixtures("nothing_refused")]

MODELS = """
from django.db import models

class Author(models.Model):
    name = models.CharField(max_length=50, unique=True, db_comment="as printed")
    data = models.JSONField(default=dict)

class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    title = models.CharField(max_length=50, db_index=True)
    pages = models.IntegerField(default=0)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["-pages"], name="by_pages")]
        constraints = [
            models.UniqueConstraint(fields=["author", "title"], name="once"),
            models.CheckConstraint(condition=models.Q(pages__gte=0), name="some_pages"),
        ]
"""
TESTS = """
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q, Sum, Window
from django.db.models.functions import Rank, TruncDay
from django.test import TestCase, TransactionTestCase
from shelf.models import Author, Book

class Shelf(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.author = Author.objects.create(name="Ada", data={"likes": ["tea"]})
        Book.objects.bulk_create(
            [Book(author=cls.author, title=f"t{n}", pages=n) for n in range(300)])

    def test_queries(self):
        self.assertEqual(Author.objects.annotate(n=Count("books")).get().n, 300)
        self.assertEqual(Book.objects.aggregate(s=Sum("pages"))["s"], 44850)
        self.assertEqual(Author.objects.filter(data__likes__contains="tea").count(), 1)
        self.assertEqual(Book.objects.filter(title__iregex="^T29").count(), 11)
        ranked = Book.objects.annotate(r=Window(Rank(), order_by=F("pages").desc()))
        self.assertEqual(ranked.order_by("r")[0].pages, 299)
        Book.objects.annotate(d=TruncDay("at")).values("d").annotate(n=Count("id")).get()
        with self.assertNumQueries(2):
            self.assertEqual(len(Author.objects.prefetch_related("books")[0].books.all()), 300)
        self.assertEqual(len(list(Book.objects.iterator(chunk_size=50))), 300)

    def test_changes(self):
        Book.objects.filter(Q(pages__gt=290)).update(pages=F("pages") + 1)
        Book.objects.select_for_update().order_by("id").first().delete()
        Book.objects.update_or_create(author=self.author, title="new", defaults={"pages": 3})
        with self.assertRaises(IntegrityError), transaction.atomic():
            Book.objects.create(author=self.author, title="new")
        with self.assertRaises(IntegrityError), transaction.atomic():
            Book.objects.filter(title="new").update(pages=-1)
        self.author.delete()
        self.assertEqual(Book.objects.count(), 0)

class Committed(TransactionTestCase):
    def test_it_commits(self):
        Author.objects.create(name="Ben")
        self.assertTrue(Author.objects.filter(name="Ben").exists())
"""
# The database of the tests is the one that is there: a gateway's target is one database.
RUNNER = """
from django.test.runner import DiscoverRunner

class Here(DiscoverRunner):
    def setup_databases(self, **kwargs):
        return []

    def teardown_databases(self, old_config, **kwargs):
        pass
"""
SETTINGS = """
DATABASES = {{"default": {database}}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shelf"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "of a test"
USE_TZ = True
TEST_RUNNER = "runner.Here"
"""
COMMANDS = """
import io, sys, django
from django.core.management import call_command
django.setup()
for name, *arguments in %r:
    out = io.StringIO()
    call_command(name, *arguments, **({} if name == "test" else {"stdout": out}))
    print(name, "ok", flush=True)
    if name == "inspectdb":
        print(out.getvalue())
"""


def _project(directory: Path, place: Place, name: str) -> dict[str, str]:
    database = {
        "ENGINE": "django.db.backends.postgresql", "NAME": "orders", "USER": name,
        "PASSWORD": place.gateway.tokens[name], "HOST": "127.0.0.1", "PORT": place.gateway.port,
    }  # fmt: skip
    (directory / "shelf").mkdir(exist_ok=True)
    for path, text in (
        ("shelf/__init__.py", ""),
        ("shelf/models.py", MODELS),
        ("shelf/tests.py", TESTS),
        ("runner.py", RUNNER),
        (
            f"settings_{name}.py",
            SETTINGS.format(database=json.dumps(database)),
        ),
    ):
        (directory / path).write_text(text)
    path = os.pathsep.join([str(directory), os.environ.get("PYTHONPATH", "")])
    return {"DJANGO_SETTINGS_MODULE": f"settings_{name}", "PYTHONPATH": path}


def _manage(directory: Path, environment: dict[str, str], *commands: list[str]) -> list[str]:
    script = COMMANDS % (list(commands),)
    return run(sys.executable, "-c", script, environment=environment, cwd=directory)


def test_migrate_test_and_take_back(place: Place, tmp_path: Path) -> None:
    """A project's life: a DBA migrates, its own tests run, flush, and back to nothing.

    The way back is not the DBA's alone: after DDL in the same transaction, a text of two statements
    cannot be read with certainty, and `balanced` lets a second person look at that.
    """
    dba, anything = _project(tmp_path, place, "bob"), _project(tmp_path, place, "erin")
    said = _manage(
        tmp_path, dba, ["makemigrations", "shelf"], ["migrate"], ["migrate", "--check"],
        ["migrate", "shelf", "zero"], ["migrate"],
    )  # fmt: skip
    assert said.count("migrate ok") == 4
    said = _manage(
        tmp_path, anything, ["test"], ["sqlflush"], ["flush", "--no-input"],
        ["migrate", "shelf", "zero"], ["migrate", "auth", "zero"], ["migrate", "contenttypes", "zero"],
    )  # fmt: skip
    assert "test ok" in said
    assert place.value("SELECT count(*) FROM pg_class WHERE relname ~ '^(shelf|auth)_'") == 0


def test_inspectdb_is_reading(
    place: Place, tmp_path: Path, recorded: Callable[[], list[tuple[str, dict[str, Any]]]]
) -> None:
    """An engineer makes models from the tables that are there; every query of it is a read."""
    environment = _project(tmp_path, place, "alice")
    said = "\n".join(_manage(tmp_path, environment, ["inspectdb"]))
    assert "class Orders(models.Model):" in said
    assert "db_table_comment = 'people who buy'" in said
    assert "Unable to inspect" not in said
    assert {payload["class"] for _, payload in recorded()} <= {"read", "session"}
