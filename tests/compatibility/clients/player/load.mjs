// Loads a cast as the public player does, and prints what it understood as JSON.
// Arguments: a copy of the player's core that also exports its loader, and the cast.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const { PARSERS, loadFullRecording } = await import(pathToFileURL(process.argv[2]));
const data = await readFile(process.argv[3], "utf-8");
const recording = await loadFullRecording({ data, parser: PARSERS.get("asciicast") }, {});
const { events } = await recording.loadSegment(0);
const { cols, rows, duration, markers } = recording;
console.log(JSON.stringify({ cols, rows, duration, markers, events }));
