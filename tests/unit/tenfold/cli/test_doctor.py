from tenfold.cli.doctor import traces

HERE = "http://127.0.0.1:4318"


def test_where_spans_go_is_told_where_anybody_asks_for_them() -> None:
    """An endpoint for spans is told, and where there is none nothing is said."""
    assert [(one.ok, one.said) for one in traces({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE})] == [
        (True, f"spans go to {HERE}")
    ]
    assert list(traces({})) == []
