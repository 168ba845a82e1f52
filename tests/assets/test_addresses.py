"""What may be shown of an address is parsed, not guessed; what no two programs read alike is refused."""

import pytest

from assets.addresses import check_address, check_place, redacted, shown

HIDDEN = [
    "postgresql://u:SECRET@h/db",
    "postgresql://u:SEC@SECRET@h/db",
    "postgres://u:PW@SECRET@h",
    "postgresql://u:a/SECRET@h/db",
    "postgresql://u:a?SECRET@h/db",
    "postgresql://u:a#SECRET@h/db",
    "postgresql://u:SE,SECRET:1@h/db",
    "postgresql://h/db?user=u&password=SECRET",
    "postgresql:///db?host=/run/pg&password=SECRET",
    "postgresql:db?password=SECRET",
    "POSTGRESQL://h/db?password=SECRET",
    "postgresql+psycopg2://churn:SECRET@db:5432/mlflow",
    "mysql://u:SECRET@h/db",
    "snowflake://SECRET:x@account/db?warehouse=w",
    "https://u:SECRET@host/x.csv",
    "https://u:pa:SECRET@host/hook",
    "https://host:SECRET/",
    "https://host/x?token=SECRET",
    "https://host/x#SECRET",
    "s3://KEY:SECRET@b/x",
    "s3://KEY:SEC/SECRET@b/x",
    "az://SECRET@b/x",
    "sc://h:15002/;token=SECRET",
    "https://u:Geh€im SECRET@h/",
]
PLAIN = [
    *("crm.db", "landing/a@b.csv", "/srv/churn/crm.db", "local[*]", "yarn", "sqlite:////srv/churn/mlflow.db"),
    *("https://mlflow.example.com:5000", "http://127.0.0.1:3001", "http://[::1]:80/x", "postgresql://h:5432/db"),
    *("postgresql://h1:1,h2:2/db", "spark://h1:7077,h2:7077", "k8s://https://host:6443", "s3://bucket/folder/*.csv"),
]


@pytest.mark.parametrize("address", HIDDEN)
def test_an_address_is_shown_without_user_password_and_query(address):
    assert "SECRET" not in shown(address)
    assert shown(address).lower().startswith(address.lower().partition(":")[0])


@pytest.mark.parametrize("address", PLAIN)
def test_an_address_without_a_secret_is_shown_as_it_is(address):
    assert shown(address) == address


def test_an_address_with_a_password_is_shown_with_host_port_and_path():
    assert (
        shown("postgresql://u:p%40ss@db.example.com:5432/shop?sslmode=require")
        == "postgresql://db.example.com:5432/shop"
    )


@pytest.mark.parametrize(
    "address",
    [
        *(
            "https://u:a@b@h/",
            "https://u:a/b@h/",
            "https://h:port/",
            "https://h/a b",
            "https://h/a\nb",
            "https://h/\x00",
        ),
        *("shop.example/hook", "ftp://h/x", "https://u:a?b@h/", "https://h:99999999/"),
    ],
)
def test_what_cannot_be_read_for_sure_is_refused_without_being_repeated(address):
    with pytest.raises(ValueError, match=r"^NAME ") as error:
        check_address(address, "NAME", schemes=("https", "http"))
    assert address not in f"{error.value}"


@pytest.mark.parametrize(
    "place", ["s3://KEY:SECRET@b/x", "s3://KEY:SEC/RET@b/x", "https://u:SECRET@h/x.csv", "az://K@b/x"]
)
def test_a_place_of_files_has_no_key_in_it(place):
    with pytest.raises(ValueError, match="credentials by the store's own variables"):
        check_place(place, "path")


@pytest.mark.parametrize("place", ["landing", "a@b/*.csv", "s3://bucket/mail@home/*.csv", "gs://b/x"])
def test_an_at_in_a_path_is_no_key(place):
    check_place(place, "path")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('could not translate host name "SECRET@h"', "postgres://u:PW@SECRET@h"),
        ("unsupported URI 'postgres://u:SECRET@h/db'", "postgres://u:SECRET@h/db"),
        ("invalid port number: 'SECRET'", "https://u:a:SECRET@h/"),
        ("password SECRET is wrong", "postgresql://h/db?password=SECRET"),
        ("Invalid header value b'Bearer SECRET\\n'", "SECRET\n"),
        ('it said {"url": "SECRET\\"quoted"}', 'SECRET"quoted'),
        ("it said S€CRET and %53ECRET", "mysql://u:S%E2%82%ACCRET@h/"),
    ],
)
def test_texts_of_others_lose_what_they_repeat_of_a_secret(text, secret):
    assert "SECRET" not in redacted(text, secret).replace("%53ECRET", "")
    assert "S€CRET" not in redacted(text, secret)


def test_a_short_password_does_not_mangle_a_text():
    assert redacted('connection to "127.0.0.1" failed: user "db"', "postgresql://db:1a@127.0.0.1/x") == (
        'connection to "127.0.0.1" failed: user "db"'
    )
