// The first script of a page is small: what the page shows is asked for while the one that draws it is on its way.

import { askAhead } from "./ahead.ts";

askAhead();
