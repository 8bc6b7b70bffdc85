using Bursar.AgentHost;

return await AgentCommand.Create(Environment.GetEnvironmentVariable).Parse(args).InvokeAsync();
