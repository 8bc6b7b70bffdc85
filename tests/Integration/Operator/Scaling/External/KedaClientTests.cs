using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Operator.Scaling.External;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Operator.Scaling.External;

/// <summary>npm's @grpc/grpc-js, an independent gRPC implementation, queries the endpoint with KEDA's contract.</summary>
public sealed class KedaClientTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private ExternalScalerHost _host = null!;
    private Process? _node;
    private int _orders;

    public async Task InitializeAsync()
    {
        _host = await ExternalScalerHost.StartAsync();
        _host.Answer("chat", new ScalerAnswer.Figure(true, "queue", 2.5, 10.25));
    }

    public async Task DisposeAsync()
    {
        if (_node is not null)
        {
            if (!_node.HasExited)
                _node.Kill();
            await _node.WaitForExitAsync();
            _node.Dispose();
        }
        await _host.DisposeAsync();
    }

    [SkippableFact]
    public async Task Each_call_of_the_contract_is_answered()
    {
        await StartAsync();
        (await CallAsync("IsActive", Ref("chat"))).Should().Be("""{"reply":{"result":true}}""");
        (await CallAsync("GetMetricSpec", Ref("chat")))
            .Should()
            .Be("""{"reply":{"metricSpecs":[{"metricName":"queue","targetSize":3,"targetSizeFloat":2.5}]}}""");
        (await CallAsync("GetMetrics", Metric("queue", "chat")))
            .Should()
            .Be("""{"reply":{"metricValues":[{"metricName":"queue","metricValue":11,"metricValueFloat":10.25}]}}""");
        (await CallAsync("IsActive", Ref("chat"), """, "timeoutMs": 5000""")).Should().Be("""{"reply":{"result":true}}""");
    }

    [SkippableFact]
    public async Task Missing_figure_is_a_status_and_no_crash()
    {
        await StartAsync();
        _host.Answer("silent", new ScalerAnswer.Missing("queue", 4, "no agent has measured größer als 100 % for 30 s"));
        _host.Answer("broken", _ => throw new InvalidOperationException("internal detail"));

        (await CallAsync("IsActive", Ref("nobody"))).Should().Be("""{"code":5,"details":"there is no ScaledObject team/nobody"}""");
        (await CallAsync("GetMetrics", Metric("other", "chat")))
            .Should()
            .Be("""{"code":5,"details":"there is no metric \"other\" here; it is queue"}""");
        (await CallAsync("GetMetrics", Metric("queue", "silent")))
            .Should()
            .Be("""{"code":14,"details":"no agent has measured größer als 100 % for 30 s"}""");
        (await CallAsync("GetMetricSpec", Ref("silent"))).Should().StartWith("""{"reply":""");
        (
            await CallAsync(
                "IsActive",
                """{"name": "chat", "namespace": "team", "scalerMetadata": {"trigger": "queue", "waiting": "many"}}"""
            )
        )
            .Should()
            .Be("""{"code":3,"details":"team/chat: metadata.waiting: \"many\" is not a number above 0"}""");
        (await CallAsync("IsActive", Ref("broken"))).Should().StartWith("""{"code":2,""").And.NotContain("secret");
        (await CallAsync("NotInTheContract", Ref("chat"))).Should().Be("""{"code":12,"details":"Method is unimplemented."}""");
        (await CallAsync("StreamMetricSpec", Ref("chat"))).Should().Be("""{"code":12,"details":"Method is unimplemented."}""");
        (await CallAsync("StreamIsActive", Ref("nobody"))).Should().Be("""{"code":5,"details":"there is no ScaledObject team/nobody"}""");
        (await CallAsync("IsActive", Ref("chat"))).Should().Be("""{"reply":{"result":true}}""");
    }

    [SkippableFact]
    public async Task Thousand_calls_at_once_are_answered()
    {
        await StartAsync();
        (await CallAsync("GetMetrics", Metric("queue", "chat"), """, "times": 1000""")).Should().Be("""{"oks":1000,"codes":[0]}""");
        (await CallAsync("IsActive", Ref("nobody"), """, "times": 1000""")).Should().Be("""{"oks":0,"codes":[5]}""");
    }

    [SkippableFact]
    public async Task Stream_receives_each_change_and_can_be_cancelled()
    {
        await StartAsync();
        var id = await OrderAsync("StreamIsActive", Ref("chat"));
        (await NextAsync(id)).Should().Be("""{"reply":{"result":true}}""");
        _host.Answer("chat", new ScalerAnswer.Missing("queue", 4, "silent"));
        _host.Answer("chat", new ScalerAnswer.Figure(false, "queue", 4, 0));
        (await NextAsync(id)).Should().Be("""{"reply":{"result":false}}""");
        _host.Answer("chat", new ScalerAnswer.Figure(true, "queue", 4, 1));
        (await NextAsync(id)).Should().Be("""{"reply":{"result":true}}""");

        await _node!.StandardInput.WriteLineAsync($$"""{"cancel": {{id}} }""");
        (await NextAsync(id)).Should().StartWith("""{"code":1,""");
        (await CallAsync("IsActive", Ref("chat"))).Should().Be("""{"reply":{"result":true}}""");
    }

    [SkippableFact]
    public async Task Stream_has_its_deadline_and_is_notified_of_the_end()
    {
        await StartAsync();
        var brief = await OrderAsync("StreamIsActive", Ref("chat"), """, "timeoutMs": 3000""");
        (await NextAsync(brief)).Should().Be("""{"reply":{"result":true}}""");
        (await NextAsync(brief)).Should().StartWith("""{"code":4,""");

        var open = await OrderAsync("StreamIsActive", Ref("chat"));
        (await NextAsync(open)).Should().Be("""{"reply":{"result":true}}""");
        await _host.DisposeAsync();
        (await NextAsync(open)).Should().Be("""{"code":14,"details":"the operator is stopping"}""");
    }

    private static string Ref(string name) =>
        $$"""{"name": "{{name}}", "namespace": "team", "scalerMetadata": {"scalerAddress": "bursar:9467", "trigger": "queue", "waiting": "4"} }""";

    private static string Metric(string metric, string name) => $$"""{"metricName": "{{metric}}", "scaledObjectRef": {{Ref(name)}} }""";

    private async Task StartAsync()
    {
        var tools = Environment.GetEnvironmentVariable("BURSAR_GRPC_JS") ?? Path.Combine(Repository.Root, ".tools", "grpc");
        Skip.IfNot(
            Directory.Exists(Path.Combine(tools, "node_modules", "@grpc", "grpc-js")),
            $"npm's @grpc/grpc-js is not in {tools}: `make tools` puts it there"
        );
        try
        {
            _node = Process.Start(
                new ProcessStartInfo(
                    "node",
                    [Path.Combine(Repository.Root, "tests/Integration/Operator/Scaling/External/keda.cjs"), tools, _host.Endpoint.Address]
                )
                {
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                    UseShellExecute = false,
                }
            )!;
        }
        catch (Win32Exception)
        {
            Skip.If(true, "node is not on PATH");
        }
        (await LineAsync()).ToJsonString().Should().Be("""{"ready":true}""");
    }

    private async Task<string> CallAsync(string method, string request, string options = "") =>
        await NextAsync(await OrderAsync(method, request, options));

    private async Task<int> OrderAsync(string method, string request, string options = "")
    {
        var id = ++_orders;
        await _node!.StandardInput.WriteLineAsync($$"""{"id": {{id}}, "method": "{{method}}", "request": {{request}}{{options}} }""");
        return id;
    }

    private async Task<string> NextAsync(int id)
    {
        var line = await LineAsync();
        line["id"]!.GetValue<int>().Should().Be(id);
        line.Remove("id");
        return line.ToJsonString(
            new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }
        );
    }

    private async Task<JsonObject> LineAsync() =>
        JsonNode
            .Parse(await _node!.StandardOutput.ReadLineAsync().WaitAsync(Patience) ?? throw new InvalidOperationException("node ended"))!
            .AsObject();
}
