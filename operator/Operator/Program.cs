using System.CommandLine;
using Bursar.Operator.Commands;

var root = new RootCommand("Bursar keeps GPU work inside its money.")
{
    DemoCommand.Create(),
    OperatorCommand.Create(),
    ExplainCommand.Create(),
    ReportCommand.Create(),
    ReleaseCommand.Create(),
    ContinueCommand.Create(),
    GenerateCommand.Create(),
};
// Ctrl-C and SIGTERM cancel the command; it then has this long to give up its lease and clean up.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(20) });
