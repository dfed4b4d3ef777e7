import { createServer, type Server } from "node:http";
import { Webhook } from "standardwebhooks";

export interface CanopyEvent {
  event: string; // "assignment.created"
  data: { resource_id: string | null; metadata: Record<string, unknown>; timestamp: string };
}

const longest = 4 << 20; // bytes of a body

/** Answers Canopy, and hands every event over once. Other requests get a 400. */
export function receiver(secret: string, handle: (id: string, event: CanopyEvent) => void): Server {
  const webhook = new Webhook(secret);
  const seen = new Set<string>(); // keep these where you keep what you make of the events
  return createServer(async (request, response) => {
    try {
      const pieces: Buffer[] = [];
      let length = 0;
      for await (const piece of request) {
        length += piece.length;
        if (length > longest) throw new Error("the body is too long");
        pieces.push(piece);
      }
      const headers = request.headers as Record<string, string>;
      const event = webhook.verify(Buffer.concat(pieces), headers) as CanopyEvent;
      response.writeHead(204).end();
      const id = headers["webhook-id"]!;
      if (seen.has(id)) return;
      seen.add(id);
      handle(id, event);
    } catch {
      if (!response.headersSent) response.writeHead(400).end();
    }
  });
}
