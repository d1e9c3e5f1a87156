import { createTRPCContext } from "@trpc/tanstack-react-query";
import { createContext, useContext } from "react";

import type { AppRouter } from "../app-router.js";
import type { TidewireClient } from "./client.js";

const { TRPCProvider, useTRPC } = createTRPCContext<AppRouter>();

export { TRPCProvider, useTRPC };

/** Holds the client of the provider above. */
export const TidewireContext = createContext<TidewireClient | null>(null);

/** The client of the provider above. */
export function useTidewire(): TidewireClient {
  const client = useContext(TidewireContext);
  if (!client) throw new Error("There is no TidewireProvider above this component");
  return client;
}
