using System.CommandLine;
using Bursar.Core.Text;
using Bursar.Kube.Client;
using Bursar.Operator.Control;

namespace Bursar.Operator.Commands;

/// <summary><c>bursar continue</c>: lifts the brake that stops forecasts from parking much of a cluster at once.</summary>
public static class ContinueCommand
{
    public static Command Create()
    {
        var access = new ClusterAccess();
        var command = new Command("continue", "Lift the brake: let forecasts park work again after BrakeApplied.");
        access.AddTo(command);
        command.SetAction((parsed, cancellationToken) => access.RunAsync(parsed, (client, bursarNamespace) =>
            RunAsync(client, bursarNamespace, parsed.InvocationConfiguration.Output, cancellationToken)));
        return command;
    }

    public static async Task<int> RunAsync(KubeClient client, string bursarNamespace, TextWriter output, CancellationToken cancellationToken)
    {
        var now = Rfc3339.Format(client.TimeProvider.GetUtcNow());
        await ControlMap.SetAsync(client, bursarNamespace, ControlSwitch.ContinueKey, now, cancellationToken);
        await output.WriteLineAsync($"The brake is lifted as of {now}.");
        return 0;
    }
}
