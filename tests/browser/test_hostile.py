"""What others chose, names and cells and whole sites, runs nothing and changes nothing."""

import httpx2
from e2e.services import Serve
from playwright.sync_api import Browser, Page, expect

MARKUP = "<img src=x onerror=document.title='owned'>"


def test_names_of_files_and_columns_and_what_cells_say_are_text(page: Page, service: Serve) -> None:
    page.goto("/datasets")
    file = {"name": f"{MARKUP}.csv", "mimeType": "text/csv", "buffer": f"{MARKUP},y\n1,2\n2,4\n".encode()}
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.get_by_role("heading", name=f"{MARKUP}.csv")).to_be_visible()
    expect(page.get_by_role("cell", name=MARKUP, exact=True)).to_be_visible()
    assert _nothing_ran(page)

    words = {"file": ("words.csv", f"kind,y\n{MARKUP},2\nb,4\n{MARKUP},5\n", "text/csv")}
    dataset = httpx2.post(f"{service.url}/v1/datasets", params={"one_hot": "kind"}, files=words, timeout=60).json()
    page.goto(f"/datasets/{dataset['id']}")
    expect(page.get_by_role("region", name="Columns, table")).to_contain_text(MARKUP)
    assert _nothing_ran(page)


def _nothing_ran(page: Page) -> bool:
    return page.locator("main img").count() == 0 and page.title() != "owned"


def test_a_form_of_another_site_is_refused(chromium: Browser, service: Serve) -> None:
    address, other = f"{service.url}/v1/jobs", "http://other.example/"
    form = f'<form method="post" enctype="text/plain" action="{address}"><input name="a"><button>Win</button></form>'
    with chromium.new_context() as context:
        page = context.new_page()
        page.route(other, lambda route: route.fulfill(body=form, content_type="text/html"))
        page.goto(other)
        with page.expect_response(address) as found:
            page.get_by_role("button").click()
        assert found.value.status == 403
        assert "foreign-page" in found.value.json()["type"]
