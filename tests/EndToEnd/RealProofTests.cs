using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Tests of the Sandbox, repeated on a real kube-apiserver with its controllers and scheduler, in wall time.</summary>
[Collection(RealClusterCollection.Name)]
public sealed class RealProofTests(RealCluster cluster)
{
    [SkippableFact]
    public Task Job_of_two_budgets_needs_both_to_resume() =>
        cluster.PlayAsync("two-budgets", scene => TwoBudgets.NeedBothToResumeAsync(scene));

    /// <summary>Thirty jobs at once in wall time, and the first that follow.</summary>
    [SkippableFact]
    public Task Thirty_jobs_at_once_run_within_a_budget_for_ten() =>
        cluster.PlayAsync("mass", scene =>
            Mass.TenRunTheOthersWaitAndFollowInOrderAsync(scene, 30, holdLatency: null, "1h", "30s", "33", follow: 5)
        );

    [SkippableFact]
    public Task Sweep_that_ends_early_resumes_with_the_cost_of_what_is_left() =>
        cluster.PlayAsync("early-ends", EarlyEnds.SweepResumesWithTheCostOfWhatIsLeftAsync);

    [SkippableFact]
    public Task Sweep_with_too_many_failed_indexes_reserves_nothing() =>
        cluster.PlayAsync("failed-indexes", EarlyEnds.SweepWithTooManyFailedIndexesReservesNothingAsync);

    [SkippableFact]
    public Task Namespace_with_suspended_workloads_is_deletable_without_the_operator() =>
        cluster.PlayAsync("deleted-namespace", DeletedNamespace.IsDeletableWithoutTheOperatorAsync);
}
