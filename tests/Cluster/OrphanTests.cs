using Bursar.Operator.Api;
using Bursar.Sandbox.Faults;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

public sealed class OrphanTests
{
    [Fact]
    public async Task What_cannot_be_given_back_holds_up_nothing_else()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1", name: "a");
        await scene.BudgetAsync("1", """{"selector": {"matchLabels": {"app": "z-other"}}}""", name: "z");
        string[] jobs = ["a-broken", "b-works", "z-other"];
        foreach (var job in jobs) await scene.JobAsync(job, declared: "2h");
        foreach (var job in jobs) await scene.UntilSuspendedAsync(job);
        await scene.PassAsync(10);
        scene.Sandbox.Server.Faults.Add(new(new Fault.Answer(500)) { Client = "bursar/", Verb = "patch", PathPart = "/jobs/a-broken" });
        foreach (var budget in (string[])["a", "z"]) await world.Client.DeleteAsync<V1Alpha1GpuBudget>(budget, scene.Team, null, CancellationToken.None);

        await scene.UntilResumedAsync("b-works");
        await scene.UntilResumedAsync("z-other");
        (await scene.IsSuspendedAsync("a-broken")).Should().BeTrue();

        scene.Sandbox.Server.Faults.Clear();
        await scene.UntilResumedAsync("a-broken", TimeSpan.FromMinutes(2));
    }
}
