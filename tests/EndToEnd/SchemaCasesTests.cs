using System.Text.Json.Nodes;

namespace Bursar.Tests.EndToEnd;

/// <summary>The fields of a budget, as the API server validates them before Bursar sees them, by its schema and by rules in CEL.</summary>
[Collection(InstallCollection.Name)]
public sealed class SchemaCasesTests(InstallServers servers)
{
    private static readonly string ManyTopUps = string.Join(", ", Enumerable.Repeat("""{amount: "1", window: "2026-11"}""", 30_000));

    // Each of them in range: a real server needs half a minute to put a hundred thousand complaints into one answer.
    private static readonly string ManyThresholds = string.Join(", ", Enumerable.Range(0, 100_000).Select(i => i % 1000 + 1));

    /// <summary>A name, the spec, and a piece of the refusal; null where it is taken.</summary>
    private static readonly (string Name, string Spec, string? Refusal)[] Structural =
    [
        ("the least", """{limit: {cost: "2"}}""", null),
        ("cents and less", """{limit: {cost: "0.000000001"}}""", null),
        ("a rolling window", """{limit: {cost: "2"}, window: {period: Rolling, length: 168h}}""", null),
        (
            "one window",
            """{limit: {cost: "2"}, window: {period: Once, start: "2026-01-01T00:00:00Z", end: "2026-02-01T00:00:00Z"}}""",
            null
        ),
        ("a top-up", """{limit: {cost: "2"}, topUps: [{amount: "1", window: "2026-11", reason: x}]}""", null),
        (
            "a selector",
            """{limit: {cost: "2"}, selector: {matchLabels: {team: nlp}, matchExpressions: [{key: example.com/tier, operator: NotIn, values: [a, b]}]}}""",
            null
        ),
        ("GPU-hours alone", """{limit: {gpuHours: 20}}""", null),
        ("all measures", """{limit: {cost: "2", gpuHours: 20, energyKWh: "1.5", co2eKg: 3, tokens: 1000000}}""", null),
        ("tokens of each user", """{limit: {cost: "2"}, perLabel: {key: user, limit: {tokens: "1000"}}}""", null),
        ("a limit on spot GPUs", """{limit: {cost: "2"}, limits: [{name: spot, match: {capacityType: spot}, gpuHours: "2"}]}""", null),
        ("half a token", """{limit: {tokens: "0.5"}}""", "spec.limit.tokens"),
        (
            "limits inside",
            """{limit: {cost: "2", gpuHours: "20"}, limits: [{name: h100, match: {product: "*H100*"}, gpuHours: "2"}], perLabel: {key: user, limit: {cost: "1"}}}""",
            null
        ),
        ("a partial limit without GPUs", """{limit: {cost: "2"}, limits: [{name: h100, cost: "1"}]}""", "spec.limits[0].match"),
        (
            "a partial limit that is there twice",
            """{limit: {cost: "2"}, limits: [{name: a, match: {product: "*"}, cost: "1"}, {name: a, match: {product: "*"}, cost: "1"}]}""",
            "Duplicate value"
        ),
        ("idle GPUs by default", """{limit: {cost: "2"}, idle: {}, costAnnotations: true}""", null),
        ("idle GPUs below nothing", """{limit: {cost: "2"}, idle: {belowPercent: 0}}""", "spec.idle.belowPercent"),
        ("an action that does not exist", """{limit: {cost: "2"}, idle: {action: Delete}}""", "spec.idle.action"),
        ("no limit", """{mode: Observe}""", "spec.limit"),
        ("a negative amount", """{limit: {cost: "-2"}}""", "spec.limit.cost"),
        ("an amount with a comma", """{limit: {cost: "2,50"}}""", "spec.limit.cost"),
        ("an exponent", """{limit: {cost: "1e3"}}""", "spec.limit.cost"),
        ("an amount without quotes", """{limit: {cost: 2}, topUps: [{amount: 3, window: "2026-11"}]}""", null),
        ("a fraction without quotes", """{limit: {cost: 2.5}}""", "spec.limit.cost"),
        ("a negative number", """{limit: {cost: -2}}""", "spec.limit.cost"),
        ("a number beyond any amount", """{limit: {cost: 1000000000000}}""", "spec.limit.cost"),
        ("an amount that is no scalar", """{limit: {cost: {usd: 2}}}""", "spec.limit.cost"),
        ("days", """{limit: {cost: "2"}, window: {period: Rolling, length: 30d}, training: {settle: 0d90s}}""", null),
        ("days behind hours", """{limit: {cost: "2"}, window: {period: Rolling, length: 2h1d}}""", "spec.window.length"),
        ("a period that does not exist", """{limit: {cost: "2"}, window: {period: Fortnight}}""", "spec.window.period"),
        ("a threshold of zero", """{limit: {cost: "2"}, thresholds: [0, 50]}""", "spec.thresholds[0]"),
        ("a threshold out of range", """{limit: {cost: "2"}, thresholds: [100000]}""", "spec.thresholds[0]"),
        ("a mode that does not exist", """{limit: {cost: "2"}, mode: Delete}""", "spec.mode"),
        (
            "a key with a space",
            """{limit: {cost: "2"}, selector: {matchExpressions: [{key: "a b", operator: Exists}]}}""",
            "matchExpressions[0].key"
        ),
        (
            "an operator that does not exist",
            """{limit: {cost: "2"}, selector: {matchExpressions: [{key: a, operator: Near}]}}""",
            "matchExpressions[0].operator"
        ),
        ("a label's value with a space", """{limit: {cost: "2"}, selector: {matchLabels: {a: "b c"}}}""", "matchLabels"),
        ("a hundred thousand thresholds", $$"""{limit: {cost: "2"}, thresholds: [{{ManyThresholds}}]}""", "spec.thresholds: Too many"),
        ("thirty thousand top-ups", $$"""{limit: {cost: "2"}, topUps: [{{ManyTopUps}}]}""", "spec.topUps: Too many"),
        (
            "a field that does not exist",
            """{limit: {cost: "2"}, training: {checkpoints: {}}}""",
            "unknown field \"spec.training.checkpoints\""
        ),
    ];

    private static readonly (string Name, string Spec, string? Refusal)[] Rules =
    [
        ("idle GPUs for a minute", """{limit: {cost: "2"}, idle: {after: 1m}}""", "spec.idle.after"),
        ("idle GPUs for a year", """{limit: {cost: "2"}, idle: {after: 365d}}""", "spec.idle.after"),
        ("Rolling without length", """{limit: {cost: "2"}, window: {period: Rolling}}""", "spec.window.length"),
        ("Rolling for more than a year", """{limit: {cost: "2"}, window: {period: Rolling, length: 9999h}}""", "spec.window.length"),
        (
            "Rolling for more than a year in days",
            """{limit: {cost: "2"}, window: {period: Rolling, length: 366d1h}}""",
            "spec.window.length"
        ),
        ("a length with Month", """{limit: {cost: "2"}, window: {length: 9h}}""", "spec.window.length"),
        (
            "Once that ends before it starts",
            """{limit: {cost: "2"}, window: {period: Once, start: "2026-01-01T00:00:00Z", end: "2025-01-01T00:00:00Z"}}""",
            "spec.window.end"
        ),
        ("Once without an end", """{limit: {cost: "2"}, window: {period: Once, start: "2026-01-01T00:00:00Z"}}""", "spec.window"),
        ("a top-up for another kind of window", """{limit: {cost: "2"}, topUps: [{amount: "1", window: "2026-W11"}]}""", "spec.topUps"),
        (
            "In without values",
            """{limit: {cost: "2"}, selector: {matchExpressions: [{key: a, operator: In}]}}""",
            "matchExpressions[0].values"
        ),
        (
            "Exists with values",
            """{limit: {cost: "2"}, selector: {matchExpressions: [{key: a, operator: Exists, values: [x]}]}}""",
            "matchExpressions[0].values"
        ),
        ("an exemption of everything", """{limit: {cost: "2"}, exempt: {}}""", "spec.exempt"),
        ("a settle time of two days", """{limit: {cost: "2"}, training: {settle: 48h}}""", "spec.training.settle"),
        ("a settle time in days", """{limit: {cost: "2"}, training: {settle: 2d}}""", "spec.training.settle"),
        ("autoApprove without a number", """{limit: {cost: "2"}, autoApprove: {maxPercent: 10}}""", "spec.autoApprove.perWindow"),
        ("autoApprove of all", """{limit: {cost: "2"}, autoApprove: {maxPercent: 101, perWindow: 1}}""", "spec.autoApprove.maxPercent"),
        ("a limit of nothing", """{limit: {}}""", "set at least one of cost, gpuHours, energyKWh, co2eKg and tokens"),
        ("a limit on no GPUs", """{limit: {cost: "2"}, limits: [{name: a, match: {}, cost: "1"}]}""", "set product, capacityType or both"),
        (
            "energy in a rolling window",
            """{limit: {energyKWh: "2"}, window: {period: Rolling, length: 24h}}""",
            "a Rolling window has no fixed start"
        ),
        (
            "tokens of each user in a rolling window",
            """{limit: {cost: "2"}, perLabel: {key: user, limit: {tokens: "1"}}, window: {period: Rolling, length: 24h}}""",
            "a Rolling window has no fixed start"
        ),
        (
            "a partial limit in two units",
            """{limit: {cost: "2"}, limits: [{name: h100, match: {product: "*H100*"}, cost: "1", gpuHours: "2"}]}""",
            "set either cost or gpuHours"
        ),
        ("a limit per label without an amount", """{limit: {cost: "2"}, perLabel: {key: user, limit: {}}}""", "set exactly one of cost"),
        (
            "a limit per label in two units",
            """{limit: {cost: "2"}, perLabel: {key: user, limit: {tokens: "1", cost: "1"}}}""",
            "set exactly one of cost, gpuHours, energyKWh, co2eKg and tokens"
        ),
        ("the same threshold twice", """{limit: {cost: "2"}, thresholds: [50, 50]}""", "spec.thresholds[1]"),
    ];

    private static readonly string ManyNamespaces = string.Join(", ", Enumerable.Range(0, 1001).Select(i => $"team-{i}"));

    /// <summary>The fields that a ClusterGpuBudget has in addition.</summary>
    private static readonly (string Name, string Spec, string? Refusal)[] Coverage =
    [
        ("all namespaces", """{limit: {cost: "2"}, namespaceSelector: {}}""", null),
        ("namespaces by label", """{limit: {cost: "2"}, namespaceSelector: {matchLabels: {department: research}}}""", null),
        ("namespaces by name", """{limit: {cost: "2"}, namespaces: [team-nlp, team-vision]}""", null),
        ("no namespace yet", """{limit: {cost: "2"}, namespaces: []}""", null),
        ("both", """{limit: {cost: "2"}, namespaces: [team-nlp], namespaceSelector: {matchLabels: {a: b}}}""", null),
        ("neither", """{limit: {cost: "2"}}""", "spec.namespaces"),
        ("a namespace with a capital letter", """{limit: {cost: "2"}, namespaces: [Team]}""", "spec.namespaces[0]"),
        ("a namespace with a dot", """{limit: {cost: "2"}, namespaces: [a.b]}""", "spec.namespaces[0]"),
        ("a namespace of 64 characters", $$"""{limit: {cost: "2"}, namespaces: [{{new string('a', 64)}}]}""", "spec.namespaces[0]"),
        ("an empty name", """{limit: {cost: "2"}, namespaces: [""]}""", "spec.namespaces[0]"),
        ("one namespace twice", """{limit: {cost: "2"}, namespaces: [a, b, a]}""", "spec.namespaces[2]"),
        ("1001 namespaces", $$"""{limit: {cost: "2"}, namespaces: [{{ManyNamespaces}}]}""", "spec.namespaces: Too many"),
        (
            "an operator without values",
            """{limit: {cost: "2"}, namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}""",
            "spec.namespaceSelector.matchExpressions[0].values"
        ),
    ];

    private static readonly (string Name, string Spec, string? Refusal)[] Requests =
    [
        ("a request", """{budget: nlp, amount: "50.5", reason: deadline}""", null),
        (
            "all fields",
            """{clusterBudget: research, amount: 50, currency: USD, reason: deadline, until: "2026-12-01T00:00:00Z", requestedBy: ann}""",
            null
        ),
        ("neither budget", """{amount: 50, reason: deadline}""", "name either a budget or a clusterBudget"),
        ("both budgets", """{budget: nlp, clusterBudget: nlp, amount: 50, reason: deadline}""", "name either a budget or a clusterBudget"),
        ("nothing", """{budget: nlp, amount: 0, reason: deadline}""", "spec.amount"),
        ("nothing as text", """{budget: nlp, amount: "0.00", reason: deadline}""", "spec.amount"),
        ("a negative amount", """{budget: nlp, amount: -1, reason: deadline}""", "spec.amount"),
        ("no amount", """{budget: nlp, reason: deadline}""", "spec.amount"),
        ("no reason", """{budget: nlp, amount: 50}""", "spec.reason"),
        ("a reason of 257 characters", $$"""{budget: nlp, amount: 50, reason: {{new string('a', 257)}}}""", "spec.reason"),
        ("a currency by its sign", """{budget: nlp, amount: 50, currency: "$", reason: deadline}""", "spec.currency"),
        ("a time without a date", """{budget: nlp, amount: 50, reason: deadline, until: tomorrow}""", "spec.until"),
    ];

    public static TheoryData<bool> Servers => InstallServers.Real;

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Budget_is_accepted_or_rejected_with_the_path_of_the_field(bool real)
    {
        await using var server = await servers.StartAsync(real, CancellationToken.None);

        (await (await BudgetsAsync(server)).WrongAsync([.. Structural, .. Rules])).Should().BeEmpty();
    }

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Omitted_fields_have_the_documented_defaults(bool real)
    {
        await using var server = await servers.StartAsync(real, CancellationToken.None);

        var made = await (await BudgetsAsync(server)).SendAsync("""{limit: {cost: "2"}}""");

        JsonNode
            .DeepEquals(
                made!["spec"],
                JsonNode.Parse(
                    """
                    {
                      "limit": {"cost": "2"}, "mode": "Enforce", "thresholds": [50, 80, 100], "window": {"period": "Month", "timeZone": "UTC"}, "inference": {}, "interactive": {"whenExhausted": "Report"},
                      "training": {"unknownDuration": "UntilExhausted", "suspendWhen": "Likely", "tolerancePercent": 0, "settle": "60s", "victims": "LeastLost", "checkpoint": {"grace": "5m"}, "resume": {"policy": "Automatic", "headroomPercent": 5}}
                    }
                    """
                )
            )
            .Should()
            .BeTrue("{0}", made["spec"]!.ToJsonString());
    }

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task GpuBudgetRequest_is_accepted_or_rejected_with_the_path_of_the_field(bool real)
    {
        await using var server = await servers.StartAsync(real, CancellationToken.None);
        var requests = await DryRun.OpenAsync(
            server,
            "/apis/bursar.dev/v1alpha1/namespaces/default/gpubudgetrequests",
            "GpuBudgetRequest",
            """{budget: nlp, amount: 1, reason: deadline}"""
        );

        (await requests.WrongAsync(Requests)).Should().BeEmpty();
    }

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task ClusterGpuBudget_is_accepted_or_rejected_with_the_path_of_the_field(bool real)
    {
        await using var server = await servers.StartAsync(real, CancellationToken.None);
        var budgets = await DryRun.OpenAsync(
            server,
            "/apis/bursar.dev/v1alpha1/clustergpubudgets",
            "ClusterGpuBudget",
            """{limit: {cost: "2"}, namespaceSelector: {}}"""
        );

        (await budgets.WrongAsync(Coverage)).Should().BeEmpty();
        (
            await budgets.WrongAsync(
                Structural.Concat(Rules).Select(one => (one.Name, one.Spec[..^1] + ", namespaceSelector: {}}", one.Refusal))
            )
        )
            .Should()
            .BeEmpty("the rules of a GpuBudget hold");
    }

    private static Task<DryRun> BudgetsAsync(InstallServer server) =>
        DryRun.OpenAsync(server, "/apis/bursar.dev/v1alpha1/namespaces/default/gpubudgets", "GpuBudget", """{limit: {cost: "2"}}""");
}
