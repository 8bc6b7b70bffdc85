using System.CommandLine;
using Bursar.Hosting;
using Bursar.Operator.Commands;

// Ctrl-C and SIGTERM cancel the command. It then has 20 s to give up its lease and clean up.
return await CommandLine.RunAsync(
    RootCommands.Create(),
    args,
    Failures.Describe,
    new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(20) }
);
