"""The port RecordStore on SQLite and on DynamoDB: whatever one promises, the other keeps."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.domain.errors import InvalidQueryError, RecordNotFoundError, WriteConflictError
from chalicelib.domain.ports import Add, Check, Delete, Index, IndexKey, Key, Put, Record, RecordStore

KEY = Key("MODEL#waste-1", "MODEL")


def record(key: Key = KEY, **changes: object) -> Record:
    return Record(key, **{"body": {"name": "waste"}, **changes})


def put(store: RecordStore, *records: Record) -> None:
    store.write(*(Put(each, expected_version=None) for each in records))


def sorts(store: RecordStore, partition: str, **options: object) -> list[str]:
    return [each.key.sort for each in store.query(partition, **options).records]


def walk(store: RecordStore, partition: str, limit: int, **options: object) -> list[list[Key]]:
    pages, after = [], None
    while True:
        page = store.query(partition, after=after, limit=limit, **options)
        pages.append([each.key for each in page.records])
        if page.next is None:
            return pages
        after = page.next


class TestReading:
    def test_a_record_comes_back_as_it_was_written(self, store: RecordStore) -> None:
        written = record(
            body={"text": "Größe ☃", "number": 0.1, "large": 2**60, "none": None, "list": [1, {"a": []}], "empty": ""},
            counters={"seen": 3, "with space-and#": -2},
            index1=IndexKey("MODELS", "0001"),
            index2=IndexKey("MODELS#classify", "0001"),
            expires_at_s=1_900_000_000,
        )
        put(store, written)
        assert store.get(KEY) == written

    def test_what_is_not_there_is_not_found(self, store: RecordStore) -> None:
        with pytest.raises(RecordNotFoundError, match="MODEL#waste-1"):
            store.get(KEY)

    def test_an_unknown_partition_is_an_empty_page(self, store: RecordStore) -> None:
        for index in Index:
            page = store.query("NOTHING", index=index)
            assert page.records == ()
            assert page.next is None


class TestVersions:
    def test_the_first_write_is_version_1_and_every_other_counts_up(self, store: RecordStore) -> None:
        store.write(Put(record(), expected_version=0))
        assert store.get(KEY).version == 1
        store.write(Put(record(), expected_version=1))
        assert store.get(KEY).version == 2
        store.write(Put(record(), expected_version=None))
        assert store.get(KEY).version == 3

    def test_what_the_record_says_of_its_version_is_not_believed(self, store: RecordStore) -> None:
        store.write(Put(record(version=17), expected_version=0))
        assert store.get(KEY).version == 1

    @pytest.mark.parametrize("expected", [0, 2, 5])
    def test_a_write_at_another_version_is_a_conflict_that_names_the_key(
        self, store: RecordStore, expected: int
    ) -> None:
        put(store, record(body={"first": True}))
        with pytest.raises(WriteConflictError) as caught:
            store.write(Put(record(body={"first": False}), expected_version=expected))
        assert caught.value.members["keys"] == [KEY]
        assert store.get(KEY).body == {"first": True}

    def test_a_write_at_a_version_of_nothing_is_a_conflict(self, store: RecordStore) -> None:
        with pytest.raises(WriteConflictError):
            store.write(Put(record(), expected_version=1))
        with pytest.raises(RecordNotFoundError):
            store.get(KEY)

    def test_a_blind_write_leaves_nothing_of_what_was_there(self, store: RecordStore) -> None:
        put(store, record(counters={"old": 1}, index1=IndexKey("A", "1"), index2=IndexKey("B", "1"), expires_at_s=9))
        put(store, record(body={"new": 1}, counters={"fresh": 2}))
        assert store.get(KEY) == record(body={"new": 1}, counters={"fresh": 2}, version=2)
        assert store.query("A", index=Index.FIRST).records == ()
        assert store.query("B", index=Index.SECOND).records == ()

    def test_a_record_that_was_deleted_begins_at_1_again(self, store: RecordStore) -> None:
        put(store, record(), record(Key("other", "1")))
        put(store, record())
        store.write(Delete(KEY))
        put(store, record())
        assert store.get(KEY).version == 1


class TestTransactions:
    def test_nothing_is_written_when_one_condition_fails(self, store: RecordStore) -> None:
        other, third = Key("X", "1"), Key("X", "2")
        put(store, record())
        with pytest.raises(WriteConflictError) as caught:
            store.write(
                Put(record(other), expected_version=0),
                Put(record(), expected_version=7),
                Add(third, {"n": 1}),
                Delete(Key("X", "3"), expected_version=1),
            )
        assert caught.value.members["keys"] == [KEY, Key("X", "3")]
        for key in (other, third):
            with pytest.raises(RecordNotFoundError):
                store.get(key)

    def test_all_is_written_when_every_condition_holds(self, store: RecordStore) -> None:
        gone, counted = Key("X", "gone"), Key("X", "counted")
        put(store, record(), record(gone))
        store.write(
            Check(KEY, expected_version=1),
            Check(Key("X", "absent"), expected_version=0),
            Put(record(Key("X", "new")), expected_version=0),
            Add(counted, {"n": 2}),
            Delete(gone, expected_version=1),
        )
        assert sorts(store, "X") == ["counted", "new"]
        assert store.get(KEY).version == 1

    @pytest.mark.parametrize("expected", [0, 2])
    def test_a_check_alone_can_fail(self, store: RecordStore, expected: int) -> None:
        put(store, record())
        store.write(Check(KEY, expected_version=1))
        with pytest.raises(WriteConflictError):
            store.write(Check(KEY, expected_version=expected))

    def test_a_hundred_writes_are_one_transaction(self, store: RecordStore) -> None:
        writes = [Put(record(Key("MANY", f"{n:03}")), expected_version=0) for n in range(99)]
        store.write(*writes, Add(Key("COUNT", "1"), {"n": 99}))
        assert len(store.query("MANY", limit=100).records) == 99

    @pytest.mark.parametrize("count", [0, 101])
    def test_no_transaction_is_empty_or_over_a_hundred_writes(self, store: RecordStore, count: int) -> None:
        with pytest.raises(ValueError, match=str(count)):
            store.write(*(Put(record(Key("MANY", f"{n:03}")), expected_version=0) for n in range(count)))

    def test_no_transaction_writes_one_key_twice(self, store: RecordStore) -> None:
        with pytest.raises(ValueError, match="twice"):
            store.write(Put(record(), expected_version=0), Add(KEY, {"n": 1}))

    def test_deleting_nothing_is_harmless_and_deleting_another_version_is_not(self, store: RecordStore) -> None:
        store.write(Delete(KEY))
        put(store, record())
        with pytest.raises(WriteConflictError):
            store.write(Delete(KEY, expected_version=2))
        store.write(Delete(KEY, expected_version=1))
        with pytest.raises(RecordNotFoundError):
            store.get(KEY)


class TestCounters:
    def test_adding_makes_the_record_and_then_adds_up(self, store: RecordStore) -> None:
        store.write(Add(KEY, {"seen": 1, "worse": 2}))
        assert store.get(KEY) == Record(KEY, {}, 1, {"seen": 1, "worse": 2})
        store.write(Add(KEY, {"seen": 4, "decided": -1}))
        assert store.get(KEY) == Record(KEY, {}, 2, {"seen": 5, "worse": 2, "decided": -1})

    def test_adding_leaves_the_body_and_the_indexes_alone(self, store: RecordStore) -> None:
        put(store, record(index1=IndexKey("A", "1")))
        store.write(Add(KEY, {"seen": 1}))
        assert store.get(KEY) == record(index1=IndexKey("A", "1"), counters={"seen": 1}, version=2)

    def test_adding_to_one_that_is_there_and_one_that_is_not_is_one_transaction(self, store: RecordStore) -> None:
        put(store, record(counters={"n": 1}))
        store.write(Add(KEY, {"n": 1}), Add(Key("NEW", "1"), {"n": 1}))
        assert store.get(KEY).counters == {"n": 2}
        assert store.get(Key("NEW", "1")).counters == {"n": 1}

    def test_nothing_is_taken_below_the_least_and_then_nothing_else_is_written(self, store: RecordStore) -> None:
        other = Key("COUNTS", "other")
        put(store, record(counters={"left": 2}))
        store.write(Add(KEY, {"left": -2}, least=0))
        with pytest.raises(WriteConflictError) as caught:
            store.write(Add(KEY, {"left": -1}, least=0), Add(other, {"used": 1}))
        assert caught.value.members["keys"] == [KEY]
        assert store.get(KEY).counters == {"left": 0}
        with pytest.raises(RecordNotFoundError):
            store.get(other)

    def test_nothing_is_taken_from_what_is_not_there(self, store: RecordStore) -> None:
        with pytest.raises(WriteConflictError) as caught:
            store.write(Add(KEY, {"left": -1}, least=0))
        assert caught.value.members["keys"] == [KEY]

    def test_no_addition_is_lost_between_threads(self, store: RecordStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: store.write(Add(KEY, {"n": 1})), range(64)))
        assert store.get(KEY).counters == {"n": 64}


class TestQueries:
    def test_a_partition_comes_in_the_order_of_its_sort_keys(self, store: RecordStore) -> None:
        put(store, *(record(Key("P", sort)) for sort in ("b", "a#2", "B", "a", "ä")), record(Key("Q", "c")))
        assert sorts(store, "P") == ["B", "a", "a#2", "b", "ä"]
        assert sorts(store, "P", newest_first=True) == ["ä", "b", "a#2", "a", "B"]

    def test_a_prefix_narrows_in_both_directions(self, store: RecordStore) -> None:
        put(store, *(record(Key("P", sort)) for sort in ("a", "b1", "b2", "b2\U0010ffff", "b\U0010fffe", "c")))
        assert sorts(store, "P", prefix="b") == ["b1", "b2", "b2\U0010ffff", "b\U0010fffe"]
        assert sorts(store, "P", prefix="b", newest_first=True, limit=2) == ["b\U0010fffe", "b2\U0010ffff"]
        assert sorts(store, "P", prefix="b2") == ["b2", "b2\U0010ffff"]

    @pytest.mark.parametrize("newest_first", [False, True])
    @pytest.mark.parametrize("prefix", ["", "1"])
    def test_pages_hold_every_record_once(self, store: RecordStore, newest_first: bool, prefix: str) -> None:
        put(store, *(record(Key("P", f"{n:02}")) for n in range(25)))
        pages = walk(store, "P", 4, newest_first=newest_first, prefix=prefix)
        expected = [Key("P", f"{n:02}") for n in range(25) if f"{n:02}".startswith(prefix)]
        assert [key for page in pages for key in page] == (expected[::-1] if newest_first else expected)
        assert all(len(page) == 4 for page in pages[:-1])

    def test_the_last_page_has_no_cursor_even_when_it_is_full(self, store: RecordStore) -> None:
        put(store, *(record(Key("P", str(n))) for n in range(4)))
        assert [len(page) for page in walk(store, "P", 2)] == [2, 2]

    @pytest.mark.parametrize("newest_first", [False, True])
    @pytest.mark.parametrize("index", [Index.FIRST, Index.SECOND])
    def test_pages_of_an_index_hold_every_record_once_also_those_of_one_moment(
        self, store: RecordStore, index: Index, newest_first: bool
    ) -> None:
        name = "index1" if index is Index.FIRST else "index2"
        keys = [Key(f"M#{n}", "MODEL") for n in range(12)]
        put(store, *(record(key, **{name: IndexKey("MODELS", f"t{n // 5}")}) for n, key in enumerate(keys)))
        put(store, record(Key("Z", "unlisted")))
        pages = walk(store, "MODELS", 3, index=index, newest_first=newest_first)
        assert sorted((key for page in pages for key in page), key=keys.index) == keys
        assert [len(page) for page in pages] == [3, 3, 3, 3]

    def test_an_index_is_in_the_order_of_its_own_sort_keys(self, store: RecordStore) -> None:
        put(store, *(record(Key(f"M#{n}", "M"), index1=IndexKey("MODELS", f"{9 - n}")) for n in range(5)))
        found = store.query("MODELS", index=Index.FIRST, prefix="", newest_first=True).records
        assert [each.key.partition for each in found] == ["M#0", "M#1", "M#2", "M#3", "M#4"]
        assert store.query("MODELS", index=Index.FIRST, prefix="7").records == (found[2],)

    def test_a_record_that_moves_in_the_index_is_found_at_its_new_place_only(self, store: RecordStore) -> None:
        put(store, record(index1=IndexKey("A", "1")))
        put(store, record(index1=IndexKey("B", "1")))
        assert store.query("A", index=Index.FIRST).records == ()
        assert [each.key for each in store.query("B", index=Index.FIRST).records] == [KEY]

    def test_records_written_between_two_pages_do_not_shift_the_second(self, store: RecordStore) -> None:
        put(store, *(record(Key("P", f"{n}5")) for n in range(4)))
        first = store.query("P", limit=2, newest_first=True)
        put(store, record(Key("P", "40")), record(Key("P", "27")))
        second = store.query("P", limit=2, newest_first=True, after=first.next)
        assert [each.key.sort for each in second.records] == ["15", "05"]

    def test_the_page_goes_on_where_the_last_record_was_deleted(self, store: RecordStore) -> None:
        put(store, *(record(Key("P", str(n)), index1=IndexKey("I", str(n))) for n in range(4)))
        for index, partition in ((Index.PRIMARY, "P"), (Index.FIRST, "I")):
            page = store.query(partition, index=index, limit=2)
            store.write(Delete(page.records[-1].key))
            rest = store.query(partition, index=index, after=page.next)
            assert [each.key.sort for each in rest.records] == ["2", "3"]
            put(store, record(Key("P", "1"), index1=IndexKey("I", "1")))

    @pytest.mark.parametrize("index", list(Index))
    @pytest.mark.parametrize("cursor", [("a", "b"), ("",), ("a", "", "b"), ("a", "b", "c", "d")])
    def test_the_cursor_of_another_list_is_refused(
        self, store: RecordStore, index: Index, cursor: tuple[str, ...]
    ) -> None:
        with pytest.raises(InvalidQueryError, match="next"):
            store.query("P", index=index, after=cursor)

    def test_a_page_of_large_records_is_whole(self, store: RecordStore) -> None:
        put(store, *(record(Key("P", f"{n}"), body={"manifest": "x" * 300_000}) for n in range(8)))
        assert sorts(store, "P", limit=8) == [str(n) for n in range(8)]


class TestThreads:
    def test_of_sixteen_writers_of_one_version_one_wins(self, store: RecordStore) -> None:
        put(store, record())
        start, wins, losses = threading.Barrier(16), [], []

        def write(n: int) -> None:
            start.wait()
            try:
                store.write(Put(record(body={"writer": n}), expected_version=1))
                wins.append(n)
            except WriteConflictError:
                losses.append(n)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(write, range(16)))
        assert (len(wins), len(losses)) == (1, 15)
        assert store.get(KEY).body == {"writer": wins[0]}
        assert store.get(KEY).version == 2
