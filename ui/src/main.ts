import { render } from "preact";

import { html } from "./lib/html";
import { startNavigation } from "./lib/nav";
import { readToken } from "./lib/session";
import { startTheme } from "./lib/theme";
import { App } from "./views/app";

readToken();
startTheme();
startNavigation();
addEventListener("hashchange", () => {
  if (!location.hash.startsWith("#t=")) return;
  readToken();
  location.reload();
});
const root = document.getElementById("app");
if (root !== null) render(html`<${App} />`, root);
