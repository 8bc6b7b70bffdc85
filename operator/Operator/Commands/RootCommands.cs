using System.CommandLine;
using Bursar.Hosting;

namespace Bursar.Operator.Commands;

internal static class RootCommands
{
    public static RootCommand Create() =>
        new($"Bursar keeps GPU workloads within budget. {CommandLine.ExitCodes}")
        {
            OperatorCommand.Create(),
            ExplainCommand.Create(),
            TopCommand.Create(),
            ReportCommand.Create(),
            PlanCommand.Create(),
            ReleaseCommand.Create(),
            RequestCommand.Create(),
            AnswerCommands.CreateApprove(),
            AnswerCommands.CreateDeny(),
            ResetBreakerCommand.Create(),
            GenerateCommand.Create(),
        };
}
