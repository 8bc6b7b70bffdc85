using System.CommandLine;
using Bursar.Demo;
using Bursar.Hosting;
using Bursar.Operator.Commands;

// Ctrl-C and SIGTERM cancel the demo; it then has this long to clean up.
return await CommandLine.RunAsync(
    DemoCommand.Create(),
    args,
    Failures.Describe,
    new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(20) }
);
