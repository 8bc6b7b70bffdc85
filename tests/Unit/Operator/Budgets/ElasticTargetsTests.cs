using Bursar.Core.Money;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Budgets;

namespace Bursar.Tests.Unit.Operator.Budgets;

public class ElasticTargetsTests
{
    private static readonly ObjectKey Chat = new("team", "chat");

    [Fact]
    public void Pod_unknown_to_the_scaler_is_not_part_of_the_minimum_replicas()
    {
        var targets = new ElasticTargets();
        targets.Set(Chat, new("deployment", PerHour(3), PerHour(3), IsWhole: true));

        targets.MinimumReplicasRateOf("deployment", PerHour(6)).Should().Be(PerHour(3));
    }

    [Fact]
    public void Other_pods_of_the_workload_count_as_minimum_replicas()
    {
        var targets = new ElasticTargets();
        targets.Set(Chat, new("graph", PerHour(6), PerHour(3), IsWhole: false));

        targets.MinimumReplicasRateOf("graph", PerHour(10)).Should().Be(PerHour(7));
    }

    [Fact]
    public void Workload_without_a_scaler_or_a_price_is_not_elastic()
    {
        var targets = new ElasticTargets();
        targets.MinimumReplicasRateOf("deployment", PerHour(6)).Should().BeNull();
        targets.Set(Chat, new("deployment", PerHour(3), null, IsWhole: true));
        targets.MinimumReplicasRateOf("deployment", PerHour(6)).Should().BeNull();
        targets.Set(Chat, null);
        targets.MinimumReplicasRateOf("deployment", PerHour(6)).Should().BeNull();
    }

    private static HourlyCost PerHour(int sum) => HourlyCost.FromDecimal(sum);
}
