from tools.render import owned


def test_strict_asks_of_people_and_not_of_the_cloud() -> None:
    conditions = [
        {"type": "Placed", "status": "False", "message": "[model] nothing fits"},
        {"type": "Serving", "status": "False", "message": "[infrastructure] is not ready yet"},
        {"type": "Planned", "status": "False", "message": "[platform] no such machine"},
        {"type": "Ready", "status": "False"},
        {"type": "Other", "status": "True", "message": "[model] fine"},
    ]
    assert owned(conditions) == ["Placed", "Planned"]
