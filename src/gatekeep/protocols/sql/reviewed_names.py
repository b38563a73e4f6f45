"""Built-in operators, types, sampling methods and extensions that were reviewed. Data only.

Operators by name over all built-in overloads: each is C code that runs nothing else as long as
its operands' types run nothing (which the catalogue look-up sees to).
"""

from __future__ import annotations

_REVIEWED_OPERATORS_TEXT = r"""
!! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / <
<-> << <<= <<| <= <> != <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ |
|&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~* !
"""
REVIEWED_OPERATORS = frozenset(_REVIEWED_OPERATORS_TEXT.split())

_REVIEWED_TYPES_TEXT = """
aclitem bit bool box bpchar bytea char cid cidr circle date datemultirange daterange float4
float8 inet int2 int2vector int4 int4multirange int4range int8 int8multirange int8range interval
json jsonb jsonpath line lseg macaddr macaddr8 money name numeric nummultirange numrange oid
oidvector path pg_lsn pg_snapshot point polygon record refcursor regclass regcollation regconfig
regdictionary regnamespace regoper regoperator regproc regprocedure regrole regtype text tid time
timestamp timestamptz timetz tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector
txid_snapshot unknown uuid varbit varchar void xid xid8 xml
"""
_SCALARS = frozenset(_REVIEWED_TYPES_TEXT.split())
# An array of a reviewed type runs what its elements run. Some clients write its stored name.
REVIEWED_TYPES = _SCALARS | {f"_{name}" for name in _SCALARS - {"unknown", "void"}}

REVIEWED_SAMPLING = frozenset({"system", "bernoulli"})
