// `npm run mock [port]`: the mock hub with the built page, until it is interrupted.
import { start } from './server.mjs';

const { address } = await start({ port: Number(process.argv[2] ?? 8801), bigFolder: 10000 });
console.log(address);
