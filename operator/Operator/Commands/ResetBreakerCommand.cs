using System.CommandLine;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Commands;

/// <summary>
/// <c>bursar reset-breaker</c>: closes the circuit breaker, which stops forecasts from suspending a large part of a cluster at once.
/// </summary>
internal static class ResetBreakerCommand
{
    public static Command Create()
    {
        var access = new ClusterAccess();
        var command = new Command(
            "reset-breaker",
            "Reset the circuit breaker, so that forecasts suspend workloads again (condition BreakerOpen)."
        );
        access.AddTo(command);
        command.SetAction(
            (parsed, cancellationToken) =>
                access.RunAsync(parsed, (client, bursarNamespace) =>
                    RunAsync(client, bursarNamespace, parsed.InvocationConfiguration.Output, cancellationToken)
                )
        );
        return command;
    }

    /// <exception cref="CommandException">The circuit breaker is not open.</exception>
    public static async Task<int> RunAsync(
        KubeClient client,
        string bursarNamespace,
        TextWriter output,
        CancellationToken cancellationToken
    )
    {
        if (await ClusterAccess.HasNamespaceAsync(client, bursarNamespace, cancellationToken) == false)
            throw new CommandException(
                $"there is no namespace {bursarNamespace}; name the one that Bursar runs in with --bursar-namespace."
            );
        if (!await IsOpenAsync(client, bursarNamespace, cancellationToken))
            throw new CommandException("no budget reports BreakerOpen: there is nothing to reset.");
        var now = Rfc3339.Format(ClusterAccess.NowIn(client));
        await ControlConfigMap.SetAsync(client, bursarNamespace, ObserveOnlyMode.ContinueKey, now, cancellationToken);
        await output.WriteLineAsync($"The circuit breaker is reset as of {now}.");
        return 0;
    }

    /// <summary>
    /// Whether the circuit breaker is open, by the budgets' conditions, which are seconds old, or by the ledger. True if neither may be
    /// read.
    /// </summary>
    private static async Task<bool> IsOpenAsync(KubeClient client, string bursarNamespace, CancellationToken cancellationToken)
    {
        try
        {
            BudgetObject[] budgets =
            [
                .. (await client.ListAsync<V1Alpha1GpuBudget>(new() { Limit = 500 }, cancellationToken)).Items,
                .. await CoveringBudgets.ListAsync(client, cancellationToken),
            ];
            if (
                budgets.Any(budget =>
                    budget.Status?.Conditions?.Any(condition => condition is { Type: ConditionTypes.BreakerOpen, Status: "True" }) == true
                )
            )
                return true;
        }
        catch (ApiException refused) when (refused.IsForbidden)
        {
            return true;
        }
        try
        {
            return (await StoredLedger.ReadBudgetsAsync(client, bursarNamespace, cancellationToken)).Any(shard =>
                StoredForm.Read(shard.Memory)?.BreakerOpenSince is not null
            );
        }
        catch (CommandException)
        {
            return true;
        }
    }
}
