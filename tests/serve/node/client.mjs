// What a program in Node gets from the endpoint: text, calls, a schema, an error. Prints one JSON object.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const ask = { model: "loopd", messages: [{ role: "user", content: "Is it warm?" }], max_tokens: 60 };
const city = { type: "object", properties: { city: { type: "string", enum: ["Oslo", "Rome"] } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", description: "Look.", parameters: city } }];

const whole = await client.chat.completions.create(ask);
let text = "";
for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? "";
}
const streamed = client.chat.completions.stream({ ...ask, tools, tool_choice: "required", parallel_tool_calls: false });
const called = (await streamed.finalChatCompletion()).choices[0];
const ran = await client.chat.completions
  .runTools({
    ...ask,
    tool_choice: "none",
    tools: [{ ...tools[0], function: { ...tools[0].function, function: () => "20", parse: JSON.parse } }],
  })
  .finalMessage();
let refused;
try {
  await client.chat.completions.create({ ...ask, n: 2 });
} catch (error) {
  refused = { status: error.status, param: error.param, code: error.code };
}
const names = [];
for await (const model of client.models.list()) names.push(model.id);
console.log(JSON.stringify({ whole: whole.choices[0].message.content, text, called, ran: ran.role, refused, names }));
