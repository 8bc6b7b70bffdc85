using System.Text.Json.Nodes;
using Bursar.Operator.Api;
using Bursar.Sandbox.ApiServer;

namespace Bursar.Tests.Cluster;

/// <summary>What a price book may say, as the API server judges it before Bursar sees it; rules in CEL are judged by the real one alone.</summary>
[Collection(InstallCollection.Name)]
public sealed class PriceBookSchemaTests(InstallServers servers)
{
    private static readonly (string Name, string Spec, string? Refusal)[] s_structural =
    [
        ("the least", "{currency: USD, rates: []}", null),
        ("everything", """
            {default: true, currency: USD, guard: {minPerGpuHour: "0.05", maxPerGpuHour: "30", maxJumpPercent: 300}, rates: [
              {match: {product: "*V100*", capacityType: on-demand, region: us-east-1, instanceType: p3.2xlarge, nodeSelector: {matchLabels: {}}}, perGpuHour: "3.06", from: "2026-12-01T00:00:00Z", note: x},
              {match: {product: "*H100*"}, owned: {capitalCost: "30000", lifetime: 35040h, powerPricePerKWh: "0.12", pue: "1.4", powerWatts: 900, yearlyCost: "100"}}]}
            """, null),
        ("no currency", "{rates: []}", "spec.currency"),
        ("a small currency", "{currency: usd, rates: []}", "spec.currency"),
        ("no rates", "{currency: USD}", "spec.rates"),
        ("a price with an exponent", """{currency: USD, rates: [{perGpuHour: "1e3"}]}""", "spec.rates[0].perGpuHour"),
        ("a price that is a number", "{currency: USD, rates: [{perGpuHour: 3.06}]}", "spec.rates[0].perGpuHour"),
        ("an unknown field", """{currency: USD, rates: [{perGpuHour: "1", match: {prodcut: x}}]}""", "prodcut"),
        ("hardware without a lifetime", """{currency: USD, rates: [{owned: {capitalCost: "1"}}]}""", "spec.rates[0].owned.lifetime"),
        ("hardware of days", """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 4d}}]}""", "spec.rates[0].owned.lifetime"),
        ("a PUE below one", """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 9h, pue: "0.9"}}]}""", "spec.rates[0].owned.pue"),
        ("no power", """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 9h, powerPricePerKWh: "1", powerWatts: 0}}]}""", "spec.rates[0].owned.powerWatts"),
        ("a guard that lets nothing pass", """{currency: USD, rates: [], guard: {maxJumpPercent: 0}}""", "spec.guard.maxJumpPercent"),
    ];

    private static readonly (string Name, string Spec, string? Refusal)[] s_rules =
    [
        ("neither price nor hardware", "{currency: USD, rates: [{note: x}]}", "either perGpuHour or owned"),
        ("both", """{currency: USD, rates: [{perGpuHour: "1", owned: {capitalCost: "1", lifetime: 9h}}]}""", "either perGpuHour or owned"),
        ("a lifetime of nothing", """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 5m}}]}""", "spec.rates[0].owned.lifetime"),
        ("power without its price", """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 9h, powerWatts: 100}}]}""", "powerPricePerKWh"),
        ("a guard upside down", """{currency: USD, rates: [], guard: {minPerGpuHour: "3", maxPerGpuHour: "2.5"}}""", "spec.guard.minPerGpuHour"),
        ("a time that is none", """{currency: USD, rates: [{perGpuHour: "1", from: soon}]}""", "spec.rates[0].from"),
        ("a selector's term without values", """{currency: USD, rates: [{perGpuHour: "1", match: {nodeSelector: {matchExpressions: [{key: a, operator: In}]}}}]}""", "spec.rates[0].match.nodeSelector.matchExpressions[0]"),
    ];

    public static TheoryData<bool> Servers => InstallServers.Real;

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task A_price_book_is_taken_or_refused_with_its_fields_path(bool real)
    {
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real, ct);
        foreach (var (_, yaml) in CrdFiles.ReadAll()) await server.Client.CreateAsync<Bursar.Kube.Objects.V1CustomResourceDefinition>((JsonObject)YamlBody.Parse(yaml)!, null, ct);
        await server.UntilAsync("price books are served", async () => (await TryAsync(server, "{currency: USD, rates: []}", ct)).Code != 404, ct);

        var wrong = new List<string>();
        foreach (var (name, spec, refusal) in real ? [.. s_structural, .. s_rules] : s_structural)
        {
            var (code, message) = await TryAsync(server, spec, ct);
            if (refusal is null ? code != 0 : code is 0 or >= 500 || !message.Contains(refusal, StringComparison.Ordinal))
                wrong.Add($"{name}: {code} {message[..Math.Min(300, message.Length)]}");
        }
        wrong.Should().BeEmpty();

        var (_, made) = await TryAsync(server, """{currency: USD, rates: [{owned: {capitalCost: "1", lifetime: 9h}}]}""", ct);
        JsonNode.DeepEquals(JsonNode.Parse(made)!["spec"], JsonNode.Parse("""
            {"currency": "USD", "default": false, "guard": {"maxJumpPercent": 300}, "rates": [{"match": {}, "owned": {"capitalCost": "1", "lifetime": "9h", "pue": "1"}}]}
            """)).Should().BeTrue(made);
    }

    /// <summary>0 and the object where it is taken, else the code and the message.</summary>
    private static async Task<(int Code, string Message)> TryAsync(InstallServer server, string spec, CancellationToken ct)
    {
        try
        {
            var body = $"apiVersion: bursar.dev/v1alpha1\nkind: GpuPriceBook\nmetadata: {{name: t}}\nspec: {spec.Trim().ReplaceLineEndings(" ")}\n";
            return (0, (await server.Client.RequestAsync(HttpMethod.Post, "/apis/bursar.dev/v1alpha1/gpupricebooks?dryRun=All&fieldValidation=Strict",
                new StringContent(body, System.Text.Encoding.UTF8, "application/yaml"), ct))!.ToJsonString());
        }
        catch (Bursar.Kube.Client.ApiException error)
        {
            return (error.StatusCode, error.Message);
        }
    }
}
