using Bursar.Api;
using Bursar.Core.Scaling;

namespace Bursar.Tests.Unit.Api;

public class InferenceScalerReaderTests
{
    /// <summary>Invalid specs and the field that the error names.</summary>
    public static TheoryData<string, Action<InferenceScalerSpec>, string> Wrong =>
        new()
        {
            { "no name", spec => spec.ScaleTargetRef!.Name = null, "spec.scaleTargetRef.name" },
            { "min above max", spec => (spec.MinReplicaCount, spec.MaxReplicaCount) = (5, 4), "spec.minReplicaCount" },
            { "idle as min", spec => (spec.MinReplicaCount, spec.IdleReplicaCount) = (2, 2), "spec.idleReplicaCount" },
            { "polling of zero", spec => spec.PollingInterval = 0, "spec.pollingInterval" },
            { "a cap that is no amount", spec => spec.CostCap = new() { PerHour = "cheap" }, "spec.costCap.perHour" },
            { "a budget without a name", spec => spec.BudgetRef = new(), "spec.budgetRef.name" },
            { "an unknown trigger", spec => spec.Triggers = [new() { Type = "kafka" }], "spec.triggers[0].type" },
            {
                "a misspelt key",
                spec => spec.Triggers = [Trigger("queue", ("waiting", "4"), ("activations", "1"))],
                "spec.triggers[0].metadata"
            },
            { "no target", spec => spec.Triggers = [Trigger("queue")], "spec.triggers[0].metadata.waiting" },
            { "a target of zero", spec => spec.Triggers = [Trigger("queue", ("waiting", "0"))], "spec.triggers[0].metadata.waiting" },
            {
                "a target with an exponent",
                spec => spec.Triggers = [Trigger("queue", ("waiting", "1e3"))],
                "spec.triggers[0].metadata.waiting"
            },
            {
                "both kinds of tokens",
                spec => spec.Triggers = [Trigger("tokens", ("generatedPerSecond", "4"), ("promptPerSecond", "4"))],
                "spec.triggers[0].metadata"
            },
            {
                "more than all of a cache",
                spec => spec.Triggers = [Trigger("kv-cache", ("percent", "101"))],
                "spec.triggers[0].metadata.percent"
            },
            { "a latency of nothing", spec => spec.Triggers = [Trigger("latency", ("seconds", "1"))], "spec.triggers[0].metadata.metric" },
            {
                "a percentile of all",
                spec => spec.Triggers = [Trigger("latency", ("metric", "firstToken"), ("seconds", "1"), ("percentile", "100"))],
                "spec.triggers[0].metadata.percentile"
            },
            { "no query", spec => spec.Triggers = [Trigger("prometheus", ("threshold", "1"))], "spec.triggers[0].metadata.query" },
            {
                "a cron that is none",
                spec =>
                    spec.Triggers = [
                        Trigger("cron", ("timezone", "UTC"), ("start", "at dawn"), ("end", "0 20 * * *"), ("desiredReplicas", "2")),
                    ],
                "spec.triggers[0].metadata"
            },
            {
                "a zone that is none",
                spec =>
                    spec.Triggers = [
                        Trigger("cron", ("timezone", "Mars/Base"), ("start", "0 8 * * *"), ("end", "0 20 * * *"), ("desiredReplicas", "2")),
                    ],
                "spec.triggers[0].metadata"
            },
            {
                "half a replica",
                spec =>
                    spec.Triggers = [
                        Trigger("cron", ("timezone", "UTC"), ("start", "0 8 * * *"), ("end", "0 20 * * *"), ("desiredReplicas", "2.5")),
                    ],
                "spec.triggers[0].metadata.desiredReplicas"
            },
            {
                "a metric type where there is none",
                spec =>
                    spec.Triggers = [
                        new()
                        {
                            Type = "queue",
                            MetricType = "Value",
                            Metadata = new Dictionary<string, string> { ["waiting"] = "4" },
                        },
                    ],
                "spec.triggers[0].metricType"
            },
            {
                "the same name twice",
                spec => spec.Triggers = [Named("a", "queue", ("waiting", "4")), Named("a", "kv-cache", ("percent", "80"))],
                "spec.triggers"
            },
            {
                "a formula that cannot be read",
                spec =>
                    spec.Advanced = new()
                    {
                        ScalingModifiers = new() { Formula = "q + (", Target = "2" },
                    },
                "spec.advanced.scalingModifiers.formula"
            },
            {
                "a formula over a trigger that is not there",
                spec =>
                    spec.Advanced = new()
                    {
                        ScalingModifiers = new() { Formula = "queue * 2", Target = "2" },
                    },
                "spec.advanced.scalingModifiers.formula"
            },
            {
                "a formula's target of zero",
                spec =>
                    spec.Advanced = new()
                    {
                        ScalingModifiers = new() { Formula = "1 + 1", Target = "0" },
                    },
                "spec.advanced.scalingModifiers.target"
            },
            {
                "a fallback to no formula",
                spec =>
                    spec.Fallback = new()
                    {
                        FailureThreshold = 1,
                        Replicas = 1,
                        Behavior = "scalingModifiers",
                    },
                "spec.fallback.behavior"
            },
            {
                "a tolerance that is none",
                spec => spec.Advanced = Down(new() { Tolerance = "-1" }),
                "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.tolerance"
            },
            {
                "a policy that is none",
                spec =>
                    spec.Advanced = Down(
                        new()
                        {
                            Policies =
                            [
                                new()
                                {
                                    Type = "Nodes",
                                    Value = 1,
                                    PeriodSeconds = 15,
                                },
                            ],
                        }
                    ),
                "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.policies[0].type"
            },
        };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Unreadable_spec_names_its_field(string what, Action<InferenceScalerSpec> spoil, string path)
    {
        var spec = Spec();
        spoil(spec);

        var errors = InferenceScalerReader.Read(new() { Spec = spec }, out var terms);

        terms.Should().BeNull(what);
        errors.Select(error => error.Path).Should().Equal(path);
        errors.Should().OnlyContain(error => error.Message.Length > 0);
    }

    [Fact]
    public void Omitted_fields_have_the_defaults_of_KEDA_and_Kubernetes()
    {
        InferenceScalerReader.Read(new() { Spec = new() { ScaleTargetRef = new() { Name = "chat" } } }, out var terms).Should().BeEmpty();

        terms
            .Should()
            .BeEquivalentTo(
                new
                {
                    Min = 0,
                    Max = 100,
                    Idle = (int?)null,
                    PollingInterval = TimeSpan.FromSeconds(30),
                    Cooldown = TimeSpan.FromSeconds(300),
                    InitialCooldown = TimeSpan.Zero,
                    Weight = 1,
                }
            );
        terms!.Behavior.Should().Be(ScalingBehavior.Default);
        terms.CostCap.Should().BeNull();
    }

    [Fact]
    public void Partial_scaling_rule_keeps_the_other_defaults()
    {
        var spec = Spec();
        spec.Advanced = Down(new() { StabilizationWindowSeconds = 60, Tolerance = "50m" });

        InferenceScalerReader.Read(new() { Spec = spec }, out var terms).Should().BeEmpty();

        terms!.Behavior.Up.Should().Be(ScalingBehavior.Default.Up);
        terms
            .Behavior.Down.Should()
            .BeEquivalentTo(ScalingBehavior.Default.Down with { StabilizationWindowSeconds = 60, Tolerance = 0.05 });
    }

    [Fact]
    public void Trigger_without_a_name_is_named_by_its_position()
    {
        var spec = Spec();
        spec.Triggers =
        [
            Trigger("tokens", ("generatedPerSecond", "1500"), ("activation", "1")),
            Named("wait", "latency", ("metric", "firstToken"), ("seconds", "0.5")),
        ];

        InferenceScalerReader.Read(new() { Spec = spec }, out var terms).Should().BeEmpty();

        terms!
            .Triggers.Select(trigger => (trigger.Name, trigger.Type, trigger.Target, trigger.Activation, trigger.MetricType))
            .Should()
            .Equal(
                ("s0-tokens", TriggerType.Tokens, 1500, 1, TriggerMetricType.AverageValue),
                ("wait", TriggerType.Latency, 0.5, 0, TriggerMetricType.Value)
            );
    }

    private static InferenceScalerSpec Spec() =>
        new()
        {
            ScaleTargetRef = new() { Name = "chat" },
            Triggers = [Trigger("queue", ("waiting", "4"))],
        };

    private static InferenceScalerAdvanced Down(InferenceScalerRules rules) =>
        new() { HorizontalPodAutoscalerConfig = new() { Behavior = new() { ScaleDown = rules } } };

    private static InferenceScalerTrigger Trigger(string type, params (string Key, string Value)[] metadata) =>
        new() { Type = type, Metadata = metadata.ToDictionary(pair => pair.Key, pair => pair.Value) };

    private static InferenceScalerTrigger Named(string name, string type, params (string Key, string Value)[] metadata)
    {
        var trigger = Trigger(type, metadata);
        trigger.Name = name;
        return trigger;
    }
}
