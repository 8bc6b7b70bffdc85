using System.Globalization;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>The founding example end to end: 100 steps of 90 ms, 30,000 in all, a V100 at 3.06 an hour, 2 dollars.</summary>
[Collection(RealClusterCollection.Name)]
public sealed class MainJobTests(RealCluster cluster)
{
    private const string Team = "team-nlp";

    public static TheoryData<bool> Servers => [false, true];

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Job_that_would_overrun_is_suspended_and_resumes_when_the_limit_is_raised(bool real)
    {
        var scene = real ? await cluster.OpenAsync(Team) : await Scene.SandboxAsync(Team);
        try
        {
            await PlayAsync(scene);
        }
        finally
        {
            if (real)
                await RealCluster.LeaveAsync(scene);
            else
                await scene.World.DisposeAsync();
        }
    }

    private static async Task PlayAsync(Scene scene)
    {
        var ct = CancellationToken.None;
        var world = scene.World;
        await world.CreateBudgetAsync(Team, "nlp", "2", ct);
        // Work that is older than the budget's first evaluation would be left alone for its settle time.
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync("nlp") is not null);

        await world.CreateJobAsync(
            Team,
            "finetune",
            1,
            ct,
            ("bursar.dev/total-steps", "30000"),
            ("bursar.dev/expected-duration", "20m"),
            ("sim.bursar.dev/work", "training"),
            ("sim.bursar.dev/steps", "30000"),
            ("sim.bursar.dev/step-time", "90ms"),
            ("sim.bursar.dev/report", "annotation"),
            ("sim.bursar.dev/report-every", "1s")
        );

        await world.UntilAsync("the job runs", async () => (await world.JobAsync(Team, "finetune", ct)).Status.Active == 1, ct);
        await world.UntilAsync("the job is suspended", async () => (await world.JobAsync(Team, "finetune", ct)).Spec.Suspend == true, ct);

        var suspended = await world.JobAsync(Team, "finetune", ct);
        suspended.Metadata.Annotations["bursar.dev/suspended-by"].Should().Be("gpubudget/nlp");
        var progress = suspended.Metadata.Annotations["bursar.dev/progress"];
        // A loaded machine is late in wall time, and so are its reports.
        var steps = int.Parse(progress.Split('/')[0], CultureInfo.InvariantCulture);
        steps.Should().BeGreaterThanOrEqualTo(100);
        if (world is SandboxWorld)
            steps.Should().BeLessThanOrEqualTo(320, "it is caught within 10 s after 100 steps");
        await world.UntilAsync(
            "its pods are gone",
            async () => (await world.Client.ListAsync<V1Pod>(new() { Namespace = Team }, ct)).Items.Count == 0,
            ct
        );
        await world.UntilAsync(
            "Events report it",
            async () => (await world.EventsAsync(Team, ct)).Count(e => e.Reason == "Suspended") >= 3,
            ct
        );
        var notes = (await world.EventsAsync(Team, ct))
            .Where(e => e.ReportingController == "bursar.dev/operator" && e.Reason == "Suspended")
            .ToArray();
        notes
            .Should()
            .Contain(e =>
                e.Regarding!.Kind == "Job"
                && System.Text.RegularExpressions.Regex.IsMatch(
                    e.Note!,
                    world is SandboxWorld ? @"would cost 2\.(29|3)" : @"would cost 2\."
                )
            );
        notes.Should().Contain(e => e.Regarding!.Kind == "GpuBudget" && e.Note!.Contains("finetune", StringComparison.Ordinal));
        var budget = await world.BudgetAsync(Team, "nlp", ct);
        budget.Status!.SuspendedCount.Should().Be(1);
        budget.Status.Suspended!.Single().Name.Should().Be("finetune");

        await world.UntilAsync(
            "the state reports it",
            async () => (await world.BudgetAsync(Team, "nlp", ct)).Status!.State == "WorkloadsSuspended",
            ct
        );
        var spent = await scene.FinalSpentAsync("nlp");

        // The operator is killed and another one takes over: no amount changes, and no job is resumed by it.
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(ct);
        await world.PassAsync(TimeSpan.FromSeconds(8), ct);
        (await world.JobAsync(Team, "finetune", ct)).Spec.Suspend.Should().BeTrue();
        (await world.BudgetAsync(Team, "nlp", ct)).Status!.Spent.Should().Be(spent);

        await world.SetLimitAsync(Team, "nlp", "5", ct);
        await world.UntilAsync(
            "the job is resumed",
            async () => (await world.JobAsync(Team, "finetune", ct)).Spec.Suspend == false,
            ct,
            TimeSpan.FromSeconds(15)
        );
        (await world.JobAsync(Team, "finetune", ct)).Metadata.Annotations.Should().NotContainKey("bursar.dev/suspended-by");
        await world.UntilAsync(
            "an Event reports it",
            async () =>
                (await world.EventsAsync(Team, ct)).Any(e =>
                    e.Reason == "Resumed" && e.Regarding?.Kind == "Job" && e.ReportingController == "bursar.dev/operator"
                ),
            ct
        );
    }
}
