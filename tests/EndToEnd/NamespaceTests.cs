using System.Text.Json;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>A namespace with a budget and suspended workloads is deleted while no operator runs. Bursar's objects do not block it.</summary>
internal static class DeletedNamespace
{
    private static CancellationToken Ct => CancellationToken.None;

    public static async Task IsDeletableWithoutTheOperatorAsync(Scene scene)
    {
        var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        (await world.BudgetAsync(scene.Team, "b", Ct)).Metadata.Finalizers.Should().BeEmpty();
        await world.StopOperatorAsync();

        await world.Client.DeleteAsync<V1Namespace>(scene.Team, null, null, Ct);
        await scene.UntilAsync(
            "the namespace is gone",
            async () => await world.Client.GetOrNullAsync<V1Namespace>(scene.Team, null, Ct) is null,
            TimeSpan.FromSeconds(90)
        );

        // The operator that comes later forgets what is gone, and its namesake is another.
        await world.StartOperatorAsync(Ct);
        await scene.UntilAsync("no record is left", async () => await RecordsAsync(scene) == 0, TimeSpan.FromSeconds(90));
        await world.CreateNamespaceAsync(scene.Team, Ct);
        await scene.BudgetAsync("50");
        await scene.JobAsync("too-long", declared: "10s", runFor: "5s");
        await scene.UntilAsync(
            "its namesake runs to its end",
            async () => (await world.JobAsync(scene.Team, "too-long", Ct)).Status.Succeeded == 1,
            TimeSpan.FromSeconds(90)
        );
    }

    private static async Task<int> RecordsAsync(Scene scene)
    {
        var shards = await scene.World.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = ClusterWorld.OwnNamespace }, Ct);
        return shards
            .Items.Select(i => i.Spec!.Data.Deserialize(LedgerJson.Default.LedgerShard)!)
            .Where(s => s.Namespace == scene.Team)
            .Sum(s => s.Suspensions?.Count ?? 0);
    }
}

public sealed class NamespaceTests
{
    [Fact]
    public async Task Namespace_with_suspended_workloads_is_deletable_without_the_operator()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await DeletedNamespace.IsDeletableWithoutTheOperatorAsync(scene);
    }
}
