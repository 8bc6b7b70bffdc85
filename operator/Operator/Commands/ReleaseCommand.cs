using System.CommandLine;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Commands;

/// <summary>The suspensions to release.</summary>
/// <param name="Namespace">
/// With <paramref name="Budget"/>: only suspensions of this budget; empty for a ClusterGpuBudget. Both null: all.
/// </param>
/// <param name="End">Whether to end an earlier release of the budget instead.</param>
internal sealed record ReleaseRequest(string? Namespace, string? Budget, bool DryRun, bool End = false)
{
    public BudgetId? Id => Budget is null ? null : new(Namespace ?? "", Budget);
}

/// <summary>
/// <c>bursar release</c>: resumes the suspensions in the ledger, with or without a running operator. For one budget it first marks the
/// budget as released, and a running operator does the rest, so that only one of them writes. Without an operator, or for all budgets, the
/// command restores the object first and then removes the record, if that is unchanged. An interrupted command can be run again.
/// </summary>
internal static class ReleaseCommand
{
    private const string LeaseName = "bursar";

    /// <summary>Time within which observe-only mode stops every action of a running operator.</summary>
    private static readonly TimeSpan ObserveOnlyTime = TimeSpan.FromSeconds(5);

    /// <summary>How long the number of suspensions may stay the same before the command assumes that no operator resumes them.</summary>
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(10);

    /// <summary>The same if no operator holds the lease. One may run without leader election.</summary>
    private static readonly TimeSpan IdleWithoutLease = TimeSpan.FromSeconds(2);

    public static Command Create()
    {
        var access = new ClusterAccess();
        var budget = BudgetName.Argument(ArgumentArity.ZeroOrOne);
        var ns = new Option<string?>("--namespace", "-n")
        {
            Description = "The budget's namespace; by default the context's. A ClusterGpuBudget has none.",
        };
        var all = new Option<bool>("--all")
        {
            Description = "Everything, of all budgets. Switches enforcement to observe first, so that nothing is suspended again.",
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "Show what would be resumed, and change nothing." };
        var end = new Option<bool>("--end") { Description = "End the release of a budget: it enforces again." };
        var ifUninstalled = new Option<bool>("--if-uninstalled")
        {
            Description = "With --all: do nothing while the operator's Deployment exists. For the chart's uninstall hook.",
        };
        var deployment = new Option<string>("--deployment")
        {
            Description = "Name of the operator's Deployment, for --if-uninstalled.",
            DefaultValueFactory = _ => "bursar",
        };
        var command = new Command("release", "Resume everything that was suspended; works without a running operator.")
        {
            budget,
            ns,
            all,
            dryRun,
            end,
            ifUninstalled,
            deployment,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(all) == (result.GetValue(budget) is not null))
                result.AddError("Name a budget, as gpub/<name> or cgpub/<name>, or use --all.");
            if (result.GetValue(all) && result.GetValue(ns) is not null)
                result.AddError("--all is everything of all namespaces; it does not go with --namespace.");
            // The option could be read as releasing the workloads of one namespace only.
            if (
                result.GetValue(budget) is { } named
                && result.GetValue(ns) is { Length: > 0 }
                && BudgetName.TryParse(named, "-") is { IsCluster: true }
            )
                result.AddError("A ClusterGpuBudget has no namespace; --namespace goes with a GpuBudget, as gpub/<name>.");
            if (result.GetValue(end) && (result.GetValue(all) || result.GetValue(dryRun)))
                result.AddError("--end goes with a budget alone.");
            if (result.GetValue(ifUninstalled) && !result.GetValue(all))
                result.AddError("--if-uninstalled needs --all.");
        });
        access.AddTo(command);
        command.SetAction((parsed, cancellationToken) => access.RunAsync(parsed, async (client, bursarNamespace) =>
                {
                    if (
                        parsed.GetValue(ifUninstalled)
                        && await UninstallCheck.IsInstalledAsync(client, bursarNamespace, parsed.GetValue(deployment)!, cancellationToken)
                    )
                    {
                        await parsed.InvocationConfiguration.Output.WriteLineAsync(
                            $"Deployment {bursarNamespace}/{parsed.GetValue(deployment)} exists: Bursar is not being uninstalled. Nothing was changed."
                        );
                        return 0;
                    }
                    var id = parsed.GetValue(budget) is { } name
                        ? BudgetName.Parse(name, parsed.GetValue(ns) ?? client.Config.Namespace ?? "default")
                        : null;
                    var request = id is not null
                        ? new ReleaseRequest(id.Namespace, id.Name, parsed.GetValue(dryRun), parsed.GetValue(end))
                        : new ReleaseRequest(null, null, parsed.GetValue(dryRun));
                    return await RunAsync(client, bursarNamespace, request, parsed.InvocationConfiguration.Output, cancellationToken);
                }));
        return command;
    }

    /// <summary>Returns 0 if nothing is suspended any more, 1 if something could not be resumed.</summary>
    public static async Task<int> RunAsync(
        KubeClient client,
        string bursarNamespace,
        ReleaseRequest request,
        TextWriter output,
        CancellationToken cancellationToken
    )
    {
        var id = request.Id;
        if (id is not null && request.End)
            return await EndAsync(client, id, output, cancellationToken);
        // Check before the first write, because a failing command must not leave a mark on the budget. Without a budget, the first write
        // fails if the namespace is missing, and the uninstall hook may not get namespaces.
        if (id is not null && await ClusterAccess.HasNamespaceAsync(client, bursarNamespace, cancellationToken) == false)
            throw new CommandException(
                $"there is no namespace {bursarNamespace}; name the one that Bursar runs in with --bursar-namespace."
            );
        var mayRun = false;
        if (id is null && !request.DryRun)
        {
            await ControlConfigMap.SetAsync(
                client,
                bursarNamespace,
                ObserveOnlyMode.EnforcementKey,
                ObserveOnlyMode.ObserveValue,
                cancellationToken
            );
            await output.WriteLineAsync($"The cluster is in observe-only mode (ConfigMap {bursarNamespace}/{ObserveOnlyMode.Name}).");
            mayRun = await OperatorMayRunAsync(client, bursarNamespace, cancellationToken);
            if (mayRun)
                await Task.Delay(ObserveOnlyTime, client.TimeProvider, cancellationToken);
        }
        var budget = id is not null ? await id.GetAsync(client, cancellationToken) : null;
        var isReleased = budget is not null && !request.DryRun && await MarkAsync(client, budget, output, cancellationToken);

        var every = await StoredLedger.ReadBudgetsAsync(client, bursarNamespace, cancellationToken);
        var all = every.SelectMany(Suspensions).ToArray();
        var shards = id is null ? every : [.. every.Where(s => BudgetId.From(s) == id)];
        var suspensions = shards
            .SelectMany(s => Suspensions(s).Select(record => (Shard: s.Name, Record: record)))
            .OrderBy(h => h.Record.Since)
            .ThenBy(h => h.Record.Namespace, StringComparer.Ordinal)
            .ThenBy(h => h.Record.Name, StringComparer.Ordinal)
            .ToArray();
        if (id is not null && budget is null && suspensions.Length == 0)
            throw new CommandException($"there is no {id}, and nothing is suspended for one of that name.");
        if (id is not null && !request.DryRun && suspensions.Length > 0 && (isReleased || budget is null))
        {
            mayRun = await OperatorMayRunAsync(client, bursarNamespace, cancellationToken);
            await WaitForOperatorAsync(
                client,
                bursarNamespace,
                [.. suspensions.Select(h => h.Shard).Distinct(StringComparer.Ordinal)],
                mayRun ? Idle : IdleWithoutLease,
                cancellationToken
            );
            every = await StoredLedger.ReadBudgetsAsync(client, bursarNamespace, cancellationToken);
            shards = [.. every.Where(s => BudgetId.From(s) == id)];
            var left = shards.SelectMany(Suspensions).Select(record => record.Uid).ToHashSet(StringComparer.Ordinal);
            foreach (var (_, record) in suspensions.Where(h => !left.Contains(h.Record.Uid)))
                await output.WriteLineAsync(
                    $"{record.Namespace}/{record.Kind}/{record.Name}: resumed by the operator{(OthersOf(record, every.Except(shards)) is { Length: > 0 } names ? $", stays suspended by {names}" : "")}"
                );
            suspensions = [.. shards.SelectMany(s => Suspensions(s).Select(record => (Shard: s.Name, Record: record)))];
            if (suspensions.Length == 0)
                return 0;
        }
        var source = new ReleaseItems(client, bursarNamespace, mayRun);
        Task<bool> ReleaseAsync(ReleaseItem item) => item.ReleaseAsync(request.DryRun, output, cancellationToken);
        var (failed, notReleased) = (0, 0);
        if (id is null)
        {
            var unseen = new List<string>();
            var known = all.Select(record => record.Uid).ToHashSet(StringComparer.Ordinal);
            foreach (var item in await source.WithoutRecordAsync(known, unseen, cancellationToken))
                notReleased += await ReleaseAsync(item) ? 0 : 1;
            if (unseen.Count > 0)
                await output.WriteLineAsync(
                    $"Workloads gated by the admission webhook were not listed, because you may not list {string.Join(", ", unseen)} in all namespaces."
                );
            foreach (var item in await source.OfScalersAsync(cancellationToken))
                notReleased += await ReleaseAsync(item) ? 0 : 1;
        }
        SuspensionRecord[] suspended = [.. every.SelectMany(Suspensions)];
        foreach (var (shard, record) in suspensions)
            failed += await ReleaseAsync(source.Create(shard, record, OthersOf(record, every.Except(shards)), suspended, isReleased))
                ? 0
                : 1;
        if (suspensions.Length == 0)
            await output.WriteLineAsync(id is null ? "Nothing is suspended." : $"Nothing is suspended for {id}.");
        if (failed > 0)
            await output.WriteLineAsync($"{failed} of {suspensions.Length} could not be resumed; run the command again.");
        return failed + notReleased > 0 ? 1 : 0;
    }

    /// <summary>Marks the budget as released. Returns false for a budget in mode Observe, which suspends nothing.</summary>
    private static async Task<bool> MarkAsync(
        KubeClient client,
        BudgetObject budget,
        TextWriter output,
        CancellationToken cancellationToken
    )
    {
        // If its spec is invalid, an earlier one may be in force.
        var isInvalid = GpuBudgetReader.Read(budget, out var terms, out _, out _).Count > 0;
        if (!isInvalid && budget.BudgetSpec?.Mode == "Observe")
            return false;
        var id = BudgetId.From(budget);
        var now = ClusterAccess.NowIn(client);
        await WriteMarkAsync(client, budget, new ReleaseMark(budget.Metadata.Generation, now).ToString(), cancellationToken);
        var until =
            isInvalid || terms!.Window.Period is WindowPeriod.Rolling or WindowPeriod.Once
                ? ""
                : $", until {Rfc3339.Format(Window.At(terms.Window, now).End)}";
        await output.WriteLineAsync(
            $"{id} is released: it suspends nothing until its spec changes{until} or until 'bursar release {id.Arguments} --end'."
        );
        return true;
    }

    private static async Task<int> EndAsync(KubeClient client, BudgetId id, TextWriter output, CancellationToken cancellationToken)
    {
        var budget = await id.GetAsync(client, cancellationToken) ?? throw new CommandException($"there is no {id}.");
        if (budget.Metadata.Annotations.ContainsKey(BursarAnnotations.Released))
            await WriteMarkAsync(client, budget, null, cancellationToken);
        await output.WriteLineAsync($"{id} is not released.");
        return 0;
    }

    private static Task WriteMarkAsync(KubeClient client, BudgetObject budget, string? mark, CancellationToken cancellationToken) =>
        BudgetId
            .From(budget)
            .PatchAsync(
                client,
                KubePatch.Merge(
                    new JsonObject
                    {
                        ["metadata"] = new JsonObject
                        {
                            ["uid"] = budget.Metadata.Uid,
                            ["annotations"] = new JsonObject { [BursarAnnotations.Released] = mark },
                        },
                    }
                ),
                cancellationToken
            );

    /// <summary>
    /// Waits while an operator resumes the suspensions in these shards. Uses real time, because it waits for another process.
    /// </summary>
    private static async Task WaitForOperatorAsync(
        KubeClient client,
        string bursarNamespace,
        IReadOnlyList<string> shards,
        TimeSpan idle,
        CancellationToken cancellationToken
    )
    {
        var (least, since) = (int.MaxValue, TimeProvider.System.GetTimestamp());
        while (await StoredLedger.CountSuspendedAsync(client, bursarNamespace, shards, cancellationToken) is > 0 and var count)
        {
            if (count < least)
                (least, since) = (count, TimeProvider.System.GetTimestamp());
            if (TimeProvider.System.GetElapsedTime(since) > idle)
                return;
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken);
        }
    }

    /// <summary>Returns the other budgets that suspend the same workload.</summary>
    private static string OthersOf(SuspensionRecord record, IEnumerable<LedgerShard> others) =>
        string.Join(
            ", ",
            others
                .Where(s => Suspensions(s).Any(p => p.Uid == record.Uid && p.Field.Pointer == record.Field.Pointer))
                .Select(s => BudgetId.From(s).ToString())
        );

    private static IEnumerable<SuspensionRecord> Suspensions(LedgerShard shard) => (shard.Suspensions ?? []).Select(StoredForm.Read);

    private static async Task<bool> OperatorMayRunAsync(KubeClient client, string bursarNamespace, CancellationToken cancellationToken)
    {
        try
        {
            return await client.GetOrNullAsync<V1Lease>(LeaseName, bursarNamespace, cancellationToken)
                    is { Spec: { HolderIdentity.Length: > 0, RenewTime: { } renewed } spec }
                && renewed + TimeSpan.FromSeconds(spec.LeaseDurationSeconds ?? 15) > ClusterAccess.NowIn(client);
        }
        catch (ApiException refused) when (refused.IsForbidden)
        {
            // Without permission to read the lease, assume that an operator runs.
            return true;
        }
    }
}
