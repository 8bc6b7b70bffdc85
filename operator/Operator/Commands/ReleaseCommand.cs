using System.CommandLine;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Api;
using Bursar.Operator.Control;
using Bursar.Operator.Kinds;
using Bursar.Operator.Owners;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Commands;

/// <summary>What is to be given back.</summary>
/// <param name="Namespace">With <paramref name="Budget"/>: only what was parked for this budget. Both null: everything.</param>
public sealed record ReleaseRequest(string? Namespace, string? Budget, bool DryRun);

/// <summary>
/// <c>bursar release</c>: gives back what the ledger says was parked, with or without a running operator. Object first,
/// record after: a command that was stopped in between is simply run again.
/// </summary>
public static class ReleaseCommand
{
    /// <summary>The lease of the leading operator.</summary>
    private const string LeaseName = "bursar";

    /// <summary>Within this time the switch has stopped every action of a running operator.</summary>
    private static readonly TimeSpan SwitchTime = TimeSpan.FromSeconds(5);

    private enum Result { GivenBack, LetGo, Failed }

    public static Command Create()
    {
        var access = new ClusterAccess();
        var budget = BudgetName.Argument(ArgumentArity.ZeroOrOne);
        var ns = new Option<string?>("--namespace", "-n") { Description = "The budget's namespace; by default the context's." };
        var all = new Option<bool>("--all") { Description = "Everything, of all budgets. Switches enforcement to observe first, so that nothing is parked again." };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only say what would be given back." };
        var command = new Command("release", "Give back everything that was parked; works without a running operator.") { budget, ns, all, dryRun };
        command.Validators.Add(result =>
        {
            if (result.GetValue(all) == (result.GetValue(budget) is not null)) result.AddError("Name a budget, as gpub/<name>, or say --all.");
        });
        access.AddTo(command);
        command.SetAction((parsed, cancellationToken) => access.RunAsync(parsed, (client, bursarNamespace) =>
        {
            var request = parsed.GetValue(budget) is { } name
                ? new ReleaseRequest(parsed.GetValue(ns) ?? client.Config.Namespace ?? "default", BudgetName.Parse(name), parsed.GetValue(dryRun))
                : new ReleaseRequest(null, null, parsed.GetValue(dryRun));
            return RunAsync(client, bursarNamespace, request, parsed.InvocationConfiguration.Output, cancellationToken);
        }));
        return command;
    }

    /// <summary>0 when nothing is held any more, 1 when something could not be given back.</summary>
    public static async Task<int> RunAsync(KubeClient client, string bursarNamespace, ReleaseRequest request, TextWriter output, CancellationToken cancellationToken)
    {
        if (request is { Budget: null, DryRun: false })
        {
            await ControlMap.SetAsync(client, bursarNamespace, ControlSwitch.EnforcementKey, ControlSwitch.ObserveValue, cancellationToken);
            await output.WriteLineAsync($"Enforcement is switched to observe (ConfigMap {bursarNamespace}/{ControlSwitch.Name}).");
            if (await OperatorMayRunAsync(client, bursarNamespace, cancellationToken)) await Task.Delay(SwitchTime, client.TimeProvider, cancellationToken);
        }

        var every = await StoredLedger.ReadBudgetsAsync(client, bursarNamespace, cancellationToken);
        var all = every.SelectMany(s => s.Parked ?? []).ToArray();
        var shards = request.Budget is null ? every : [.. every.Where(s => s.Namespace == request.Namespace && s.BudgetName == request.Budget)];
        var held = shards.SelectMany(s => (s.Parked ?? []).Select(record => (Shard: s.Name, Record: record)))
            .OrderBy(h => h.Record.Since).ThenBy(h => h.Record.Namespace, StringComparer.Ordinal).ThenBy(h => h.Record.Name, StringComparer.Ordinal).ToArray();
        var notLetGo = request.Budget is null ? await HeldRelease.RunAsync(client, request.DryRun, output, cancellationToken) : 0;
        if (request.Budget is null) notLetGo += await ScaledRelease.RunAsync(client, bursarNamespace, request.DryRun, output, cancellationToken);
        if (held.Length == 0)
        {
            await output.WriteLineAsync(request.Budget is null ? "Nothing is parked." : $"Nothing is parked for GpuBudget {request.Namespace}/{request.Budget}.");
            return notLetGo > 0 ? 1 : 0;
        }

        var actor = new WorkloadActor(client);
        var makers = new MakerActor(client);
        var done = new HashSet<ParkedRecord>();
        var failed = 0;
        foreach (var (shard, record) in held)
        {
            var what = $"{record.Namespace}/{record.Kind}/{record.Name}";
            // Released for one budget, work stays as it is while another holds it.
            var others = string.Join(", ", every.Except(shards).Where(s => (s.Parked ?? []).Any(p => p.Uid == record.Uid && p.Field == record.Field)).Select(s => $"GpuBudget {s.Namespace}/{s.BudgetName}"));
            if (request.DryRun && others.Length > 0)
            {
                await output.WriteLineAsync($"{what}: would stay as it is, held by {others} as well");
                continue;
            }
            if (request.DryRun)
            {
                await output.WriteLineAsync($"{what}: would set {Where(record)} from {record.Value} back to {Back(record)}");
                continue;
            }
            var (result, word) = others.Length > 0 ? (Result.LetGo, $"stays as it is, held by {others} as well; forgotten for this budget") : await GiveBackAsync(actor, record, cancellationToken);
            // What makes such runs comes back with the last of them.
            if (result != Result.Failed && record.Maker is { } maker && !every.SelectMany(s => s.Parked ?? []).Any(other => other.Maker?.Uid == maker.Uid && other != record && !done.Contains(other)))
                (result, word) = await FreeAsync(makers, record, maker, word, cancellationToken);
            if (result == Result.Failed)
            {
                failed++;
            }
            else
            {
                done.Add(record);
                await StoredLedger.ForgetAsync(client, bursarNamespace, shard, record, cancellationToken);
            }
            await output.WriteLineAsync($"{what}: {word}");
        }
        if (!request.DryRun && request is { Budget: { } name, Namespace: { } ns }
            && await client.GetOrNullAsync<V1Alpha1GpuBudget>(name, ns, cancellationToken) is { Spec.Mode: not "Observe" })
            await output.WriteLineAsync($"GpuBudget {ns}/{name} still enforces: a running operator may park the work again. Raise its limit or set mode: Observe.");
        if (failed > 0) await output.WriteLineAsync($"{failed} of {held.Length} could not be given back; run the command again.");
        return failed + notLetGo > 0 ? 1 : 0;
    }

    private static async Task<(Result Result, string Word)> GiveBackAsync(WorkloadActor actor, ParkedRecord record, CancellationToken cancellationToken)
    {
        if (WorkKinds.Of(record.Kind) is not { } kind) return (Result.Failed, $"could not be given back: this version of bursar knows no {record.Kind}");
        try
        {
            return await ClusterAccess.WithRightAsync($"{(record.Target is { } target ? OwnerKinds.RightOn(target) : kind.Right)} in namespace {record.Namespace}", () => actor.RestoreAsync(record, cancellationToken)) switch
            {
                ActOutcome.Done => (Result.GivenBack, $"given back, {Where(record)} is {Back(record)} again"),
                ActOutcome.AlreadySo => (Result.LetGo, $"{Where(record)} was {Back(record)} already"),
                ActOutcome.Gone => (Result.LetGo, "is gone; forgotten"),
                _ => (Result.LetGo, $"left alone: someone else changed {Where(record)} since, it is not {record.Value} any more"),
            };
        }
        catch (CommandException refused)
        {
            return (Result.Failed, refused.Message);
        }
        catch (ApiException refused)
        {
            return (Result.Failed, $"could not be given back: {refused.Message}");
        }
    }

    private static async Task<(Result Result, string Word)> FreeAsync(MakerActor makers, ParkedRecord record, HeldMaker maker, string word, CancellationToken cancellationToken)
    {
        try
        {
            var outcome = await ClusterAccess.WithRightAsync($"get and patch cronjobs.batch in namespace {record.Namespace}", () => makers.FreeAsync(record, cancellationToken));
            return (Result.GivenBack, outcome == ActOutcome.Done ? $"{word}; {maker.Kind} {maker.Name} makes runs again" : word);
        }
        catch (CommandException refused)
        {
            return (Result.Failed, refused.Message);
        }
        catch (ApiException refused)
        {
            return (Result.Failed, $"its {maker.Kind} {maker.Name} could not be given back: {refused.Message}");
        }
    }

    private static string Where(ParkedRecord record) =>
        record.Target is { } target && target.Uid != record.Uid ? $"{record.Field} of {target.Kind} {target.Name}" : record.Field;

    private static string Back(ParkedRecord record) => record.Original == WorkloadActor.Absent ? "absent" : record.Original;

    private static async Task<bool> OperatorMayRunAsync(KubeClient client, string bursarNamespace, CancellationToken cancellationToken)
    {
        try
        {
            return await client.GetOrNullAsync<V1Lease>(LeaseName, bursarNamespace, cancellationToken) is { Spec: { HolderIdentity.Length: > 0, RenewTime: { } renewed } spec }
                && renewed + TimeSpan.FromSeconds(spec.LeaseDurationSeconds ?? 15) > ClusterAccess.NowIn(client);
        }
        catch (ApiException refused) when (refused.IsForbidden)
        {
            // Not allowed to look: then it is assumed that one runs.
            return true;
        }
    }
}
