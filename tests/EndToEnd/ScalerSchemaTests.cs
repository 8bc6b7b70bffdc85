using System.Text.Json.Nodes;

namespace Bursar.Tests.EndToEnd;

/// <summary>The fields of a scaler, as the API server validates them before Bursar sees them.</summary>
[Collection(InstallCollection.Name)]
public sealed class ScalerSchemaTests(InstallServers servers)
{
    private static readonly (string Name, string Spec, string? Refusal)[] Structural =
    [
        ("the least", "{scaleTargetRef: {name: chat}}", null),
        (
            "everything",
            """
            {scaleTargetRef: {apiVersion: leaderworkerset.x-k8s.io/v1, kind: LeaderWorkerSet, name: chat}, pollingInterval: 5, cooldownPeriod: 60, initialCooldownPeriod: 30, minReplicaCount: 2, idleReplicaCount: 0, maxReplicaCount: 8,
             fallback: {failureThreshold: 3, replicas: 2, behavior: currentReplicasIfHigher}, budgetRef: {name: nlp, weight: 2}, costCap: {perHour: "24.50"},
             triggers: [{type: queue, name: q, metadata: {waiting: "4"}}, {type: prometheus, metadata: {query: "sum(x)", threshold: "2"}, metricType: Value}],
             advanced: {scalingModifiers: {formula: q, target: "2", activationTarget: "1", metricType: AverageValue},
              horizontalPodAutoscalerConfig: {behavior: {scaleDown: {stabilizationWindowSeconds: 60, selectPolicy: Min, tolerance: "0.05", policies: [{type: Pods, value: 1, periodSeconds: 30}]}}}}}
            """,
            null
        ),
        ("no target", "{minReplicaCount: 1}", "spec.scaleTargetRef"),
        ("a target without a name", "{scaleTargetRef: {kind: Deployment}}", "spec.scaleTargetRef.name"),
        ("a target's kind in small letters", "{scaleTargetRef: {kind: deployment, name: chat}}", "spec.scaleTargetRef.kind"),
        ("a polling interval of zero", "{scaleTargetRef: {name: chat}, pollingInterval: 0}", "spec.pollingInterval"),
        ("a negative minimum", "{scaleTargetRef: {name: chat}, minReplicaCount: -1}", "spec.minReplicaCount"),
        ("a maximum of zero", "{scaleTargetRef: {name: chat}, maxReplicaCount: 0}", "spec.maxReplicaCount"),
        ("a trigger that does not exist", "{scaleTargetRef: {name: chat}, triggers: [{type: kafka}]}", "spec.triggers[0].type"),
        (
            "figures without quotes",
            "{scaleTargetRef: {name: chat}, costCap: {perHour: 24}, triggers: [{type: queue, metadata: {waiting: 4}}]}",
            null
        ),
        (
            "a trigger's figure that is no scalar",
            "{scaleTargetRef: {name: chat}, triggers: [{type: queue, metadata: {waiting: [4]}}]}",
            "spec.triggers[0].metadata.waiting"
        ),
        ("a fallback without replicas", "{scaleTargetRef: {name: chat}, fallback: {failureThreshold: 3}}", "spec.fallback.replicas"),
        (
            "a fallback that does not exist",
            "{scaleTargetRef: {name: chat}, fallback: {failureThreshold: 3, replicas: 1, behavior: hope}}",
            "spec.fallback.behavior"
        ),
        (
            "a policy of zero seconds",
            "{scaleTargetRef: {name: chat}, advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 0}]}}}}}",
            "periodSeconds"
        ),
        (
            "a window of more than an hour",
            "{scaleTargetRef: {name: chat}, advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleUp: {stabilizationWindowSeconds: 3601}}}}}",
            "stabilizationWindowSeconds"
        ),
        ("a cap with an exponent", """{scaleTargetRef: {name: chat}, costCap: {perHour: "1e3"}}""", "spec.costCap.perHour"),
        ("a weight of zero", "{scaleTargetRef: {name: chat}, budgetRef: {name: nlp, weight: 0}}", "spec.budgetRef.weight"),
        (
            "a formula without a target",
            "{scaleTargetRef: {name: chat}, advanced: {scalingModifiers: {formula: q}}}",
            "spec.advanced.scalingModifiers.target"
        ),
        (
            "a field that does not exist",
            "{scaleTargetRef: {name: chat}, triggers: [{type: queue, authenticationRef: {name: x}}]}",
            "unknown field \"spec.triggers[0].authenticationRef\""
        ),
    ];

    private static readonly (string Name, string Spec, string? Refusal)[] Rules =
    [
        ("a minimum above the maximum", "{scaleTargetRef: {name: chat}, minReplicaCount: 5, maxReplicaCount: 4}", "spec.minReplicaCount"),
        ("as many idle as the minimum", "{scaleTargetRef: {name: chat}, minReplicaCount: 1, idleReplicaCount: 1}", "spec.idleReplicaCount"),
        (
            "a fallback to a formula that is not there",
            "{scaleTargetRef: {name: chat}, fallback: {failureThreshold: 3, replicas: 1, behavior: scalingModifiers}}",
            "spec.fallback"
        ),
    ];

    public static TheoryData<bool> Servers => InstallServers.Real;

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Scaler_is_accepted_or_rejected_with_the_path_of_the_field(bool real)
    {
        await using var server = await servers.StartAsync(real, CancellationToken.None);

        (await (await ScalersAsync(server)).WrongAsync([.. Structural, .. Rules])).Should().BeEmpty();
    }

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Omitted_fields_have_KEDAs_defaults(bool real)
    {
        await using var server = await servers.StartAsync(real, CancellationToken.None);

        var made = await (await ScalersAsync(server)).SendAsync(
            "{scaleTargetRef: {name: chat}, budgetRef: {name: nlp}, fallback: {failureThreshold: 3, replicas: 1}}"
        );

        JsonNode
            .DeepEquals(
                made!["spec"],
                JsonNode.Parse(
                    """
                    {
                      "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}, "pollingInterval": 30, "cooldownPeriod": 300, "initialCooldownPeriod": 0, "minReplicaCount": 0, "maxReplicaCount": 100,
                      "budgetRef": {"name": "nlp", "weight": 1}, "fallback": {"failureThreshold": 3, "replicas": 1, "behavior": "static"}
                    }
                    """
                )
            )
            .Should()
            .BeTrue("{0}", made["spec"]!.ToJsonString());
    }

    private static Task<DryRun> ScalersAsync(InstallServer server) =>
        DryRun.OpenAsync(
            server,
            "/apis/bursar.dev/v1alpha1/namespaces/default/inferencescalers",
            "InferenceScaler",
            "{scaleTargetRef: {name: chat}}"
        );
}
