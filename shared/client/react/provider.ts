// The service that everything below shows.

import { createContext, createElement, type ReactElement, type ReactNode, useContext } from "react";
import type { GenerationService } from "../service.ts";

const Service = createContext<GenerationService | null>(null);

/** Hands one service to the hooks below it; making it and closing it is the app's. */
export function GenerationProvider(
  { service, children }: { service: GenerationService; children?: ReactNode },
): ReactElement {
  return createElement(Service.Provider, { value: service }, children);
}

/** Throws where there is no GenerationProvider above. */
export function useService(): GenerationService {
  const service = useContext(Service);
  if (!service) throw new Error("There is no <GenerationProvider service={…}> above this component.");
  return service;
}
