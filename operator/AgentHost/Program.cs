using Bursar.AgentHost;

return await AgentCommand.Create().Parse(args).InvokeAsync();
