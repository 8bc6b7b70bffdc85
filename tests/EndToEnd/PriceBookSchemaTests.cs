using System.Text.Json.Nodes;

namespace Bursar.Tests.EndToEnd;

/// <summary>The fields of a price book, as the API server validates them before Bursar sees them.</summary>
[Collection(InstallCollection.Name)]
public sealed class PriceBookSchemaTests(InstallServers servers)
{
    private static readonly (string Name, string Spec, string? Refusal)[] Structural =
    [
        ("the least", "{currency: USD, rates: []}", null),
        (
            "everything",
            """
            {default: true, currency: USD, guard: {minPerGpuHour: "0.05", maxPerGpuHour: "30", maxJumpPercent: 300}, rates: [
              {match: {product: "*V100*", capacityType: on-demand, region: us-east-1, instanceType: p3.2xlarge, nodeSelector: {matchLabels: {}}}, perGpuHour: "3.06", from: "2026-12-01T00:00:00Z", note: x},
              {match: {product: "*H100*"}, owned: {capitalCost: "30000", lifetime: 35040h, powerPricePerKWh: "0.12", pue: "1.4", powerWatts: 900, yearlyCost: "100"}}]}
            """,
            null
        ),
        ("no currency", "{rates: []}", "spec.currency"),
        ("a small currency", "{currency: usd, rates: []}", "spec.currency"),
        ("no rates", "{currency: USD}", "spec.rates"),
        ("a price with an exponent", """{currency: USD, rates: [{perGpuHour: "1e3"}]}""", "spec.rates[0].perGpuHour"),
        ("a price that is a number", "{currency: USD, rates: [{perGpuHour: 3.06}]}", "spec.rates[0].perGpuHour"),
        ("an unknown field", """{currency: USD, rates: [{perGpuHour: "1", match: {prodcut: x}}]}""", "prodcut"),
        ("hardware without a lifetime", """{currency: USD, rates: [{owned: {capitalCost: "1"}}]}""", "spec.rates[0].owned.lifetime"),
        (
            "hardware of days, and amounts without quotes",
            """{currency: USD, rates: [{owned: {capitalCost: 1, lifetime: 1460d, pue: 1}}, {perGpuHour: 3}], guard: {maxPerGpuHour: 30}}""",
            null
        ),
        ("a price with a fraction without quotes", """{currency: USD, rates: [{perGpuHour: 3.06}]}""", "spec.rates[0].perGpuHour"),
        (
            "a PUE below one",
            """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 9h, pue: "0.9"}}]}""",
            "spec.rates[0].owned.pue"
        ),
        (
            "no power",
            """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 9h, powerPricePerKWh: "1", powerWatts: 0}}]}""",
            "spec.rates[0].owned.powerWatts"
        ),
        ("one grid intensity", """{currency: USD, rates: [], gridIntensity: {gramsPerKWh: 475}}""", null),
        (
            "a grid intensity by hour",
            """{currency: USD, rates: [], gridIntensity: {timeZone: Europe/Berlin, hours: [{from: 7, gramsPerKWh: "210.5"}, {from: 18, gramsPerKWh: 480}]}}""",
            null
        ),
        (
            "an hour that does not exist",
            """{currency: USD, rates: [], gridIntensity: {hours: [{from: 24, gramsPerKWh: 1}]}}""",
            "spec.gridIntensity.hours[0].from"
        ),
        ("a guard that lets nothing pass", """{currency: USD, rates: [], guard: {maxJumpPercent: 0}}""", "spec.guard.maxJumpPercent"),
    ];

    private static readonly (string Name, string Spec, string? Refusal)[] Rules =
    [
        ("neither price nor hardware", "{currency: USD, rates: [{note: x}]}", "either perGpuHour or owned"),
        ("both", """{currency: USD, rates: [{perGpuHour: "1", owned: {capitalCost: "1", lifetime: 9h}}]}""", "either perGpuHour or owned"),
        (
            "a lifetime of nothing",
            """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 5m}}]}""",
            "spec.rates[0].owned.lifetime"
        ),
        (
            "power without its price",
            """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 9h, powerWatts: 100}}]}""",
            "powerPricePerKWh"
        ),
        (
            "a guard upside down",
            """{currency: USD, rates: [], guard: {minPerGpuHour: "3", maxPerGpuHour: "2.5"}}""",
            "spec.guard.minPerGpuHour"
        ),
        ("no grid intensity", "{currency: USD, rates: [], gridIntensity: {timeZone: UTC}}", "either gramsPerKWh or hours"),
        ("a time that is none", """{currency: USD, rates: [{perGpuHour: "1", from: soon}]}""", "spec.rates[0].from"),
        (
            "a selector's term without values",
            """{currency: USD, rates: [{perGpuHour: "1", match: {nodeSelector: {matchExpressions: [{key: a, operator: In}]}}}]}""",
            "spec.rates[0].match.nodeSelector.matchExpressions[0]"
        ),
    ];

    public static TheoryData<bool> Servers => InstallServers.Real;

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Price_book_is_accepted_or_rejected_with_the_path_of_the_field(bool real)
    {
        await using var server = await servers.StartAsync(real, CancellationToken.None);
        var books = await DryRun.OpenAsync(server, "/apis/bursar.dev/v1alpha1/gpupricebooks", "GpuPriceBook", "{currency: USD, rates: []}");

        (await books.WrongAsync([.. Structural, .. Rules])).Should().BeEmpty();

        var made = await books.SendAsync("""{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 9h}}]}""");
        JsonNode
            .DeepEquals(
                made!["spec"],
                JsonNode.Parse(
                    """
                    {"currency": "USD", "default": false, "guard": {"maxJumpPercent": 300}, "rates": [{"match": {}, "owned": {"capitalCost": "1", "lifetime": "9h", "pue": "1"}}]}
                    """
                )
            )
            .Should()
            .BeTrue("{0}", made.ToJsonString());
    }
}
