using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Scenes on a real kube-apiserver with its controllers and scheduler, in wall time, one after the other. Each suspends fewer than six
/// workloads by forecast, because more would open the cluster's circuit breaker.
/// </summary>
[Collection(RealClusterCollection.Name)]
public sealed class RealServerTests(RealCluster cluster)
{
    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public Task Agents_report_progress_and_billing_continues_without_them() =>
        cluster.PlayAsync("agents", scene => Agents.ProgressComesFromTheAgentAndTheBillDoesNotAsync(scene, TimeSpan.FromSeconds(2)));

    [SkippableFact]
    public Task Work_of_unknown_length_runs_until_the_limit() => cluster.PlayAsync("limit", async scene =>
        {
            await scene.BudgetAsync("0.015");
            await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
            await scene.JobAsync("unknown");
            await scene.UntilRunsAsync("unknown");
            await scene.UntilSuspendedAsync("unknown");
            await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
            var status = (await scene.StatusAsync())!;
            status.State.Should().Be("Exhausted");
            status.Suspended!.Single().Reason.Should().Be("BudgetExhausted");
            await scene.UntilAsync("an Event reports it", async () =>
                (await scene.EventsAsync("Suspended", "unknown")).Any(e => e.Note!.Contains("is used up", StringComparison.Ordinal))
            );

            await scene.SetLimitAsync("100");
            await scene.UntilResumedAsync("unknown");
            await scene.UntilRunsAsync("unknown");
        });

    [SkippableFact]
    public Task Inference_with_Zero_is_scaled_to_zero_when_exhausted_and_restored() =>
        cluster.PlayAsync("zero", Inference.ZeroScalesDownAndRestoresAsync);

    [SkippableFact]
    public Task Job_resumed_by_its_user_is_suspended_again_and_then_contested() =>
        cluster.PlayAsync("contest", SuspendedWorkloads.ResumedIsSuspendedAgainThenContestedAsync);

    [SkippableFact]
    public Task Kill_between_suspension_and_resume_changes_no_bill_and_no_resume() =>
        cluster.PlayAsync(
            "killed",
            async scene =>
            {
                var world = (RealWorld)scene.World;
                await using var bill = await PodBill.OpenAsync(scene);
                string spent;
                await using (var program = OperatorProcess.Start(world.Plane.KubeconfigPath))
                {
                    await scene.BudgetAsync("2");
                    await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
                    await scene.RunawayAsync("runaway");
                    await scene.UntilSuspendedAsync("runaway");
                    await scene.UntilAsync("its pod has gone", async () =>
                        (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Count == 0
                    );
                    spent = await scene.FinalSpentAsync();
                    spent.Should().Be(bill.Total(Scene.V100).ToString(), "{0}\n{1}", bill, await scene.World.DescribeAsync(Ct));
                    // The ledger is checked every five seconds.
                    await scene.PassAsync(6);
                    await program.KillAsync();
                }

                await world.StartOperatorAsync(Ct);
                await scene.SetLimitAsync("2.01");
                await scene.UntilAsync("it is evaluated again", async () => (await scene.StatusAsync())?.Limit is "2.010000" or "2.01");
                (await scene.FinalSpentAsync()).Should().Be(spent);
                (await scene.IsSuspendedAsync("runaway")).Should().BeTrue("a restart is no cause to resume");
                (await scene.StatusAsync())!.SuspendedCount.Should().Be(1);

                await scene.SetLimitAsync("10");
                await scene.UntilResumedAsync("runaway");
                await scene.UntilAsync("the record is gone", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
            },
            startOperator: false
        );

    [SkippableFact]
    public Task Release_resumes_everything_and_no_operator_suspends_it_again() => cluster.PlayAsync("release", async scene =>
        {
            await scene.BudgetAsync("0.01", """{"inference": {"whenExhausted": "Zero"}}""");
            await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
            await scene.JobAsync("train");
            await scene.World.CreateDeploymentAsync(scene.Team, "chat", 2, 1, Ct);
            await scene.UntilSuspendedAsync("train");
            await scene.UntilAsync("chat is scaled to zero", async () => await scene.ReplicasAsync("chat") == 0);

            // The command runs beside a running operator, as users run it.
            var released = await InstallTool.BursarAsync(((RealWorld)scene.World).Plane.KubeconfigPath, ["release", "--all"]);
            released.Succeeded().Output.Should().Contain($"{scene.Team}/Job/train: ").And.Contain($"{scene.Team}/Deployment/chat: ");
            (await scene.IsSuspendedAsync("train")).Should().BeFalse();
            (await scene.ReplicasAsync("chat")).Should().Be(2);

            // A second writer of the ledger ends a running operator, and its Deployment starts another one.
            await scene.World.StopOperatorAsync();
            await scene.World.StartOperatorAsync(Ct);
            await scene.UntilAsync("nothing is recorded any more", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
            await scene.PassAsync(6);
            (await scene.IsSuspendedAsync("train")).Should().BeFalse("observe-only mode is on");
            (await scene.ReplicasAsync("chat")).Should().Be(2);
            (await InstallTool.BursarAsync(((RealWorld)scene.World).Plane.KubeconfigPath, ["release", "--all"]))
                .Succeeded()
                .Output.Should()
                .Contain("Nothing is suspended.");
        });
}
