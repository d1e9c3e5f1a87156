import "./styles/index.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { TidewireProvider } from "tidewire-client/react";

import { App } from "./App.js";
import { client } from "./client.js";
import { Broken } from "./shell/Broken.js";
import { Catch } from "./ui/Catch.js";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <TidewireProvider client={client}>
      <Catch fallback={<Broken />}>
        <App />
      </Catch>
    </TidewireProvider>
  </StrictMode>,
);
