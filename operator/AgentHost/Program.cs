using Bursar.AgentHost;
using Bursar.Hosting;

return await CommandLine.RunAsync(AgentCommand.Create(), args, failure =>
    failure is IOException or UnauthorizedAccessException or FormatException
        ? CommandLine.Reason(failure)
        : $"unexpected failure ({failure.GetType().Name}): {CommandLine.Reason(failure)}"
);
