using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The trigger <c>prometheus</c> against a real one, with TLS and a login, that reads a gateway. <c>BURSAR_PROMETHEUS</c> names the
/// program; without it this test is skipped.
/// </summary>
public sealed class RealPrometheusTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public async Task Gateway_queue_scales_and_a_missing_answer_keeps_the_replicas()
    {
        var program = Environment.GetEnvironmentVariable("BURSAR_PROMETHEUS");
        Skip.If(string.IsNullOrEmpty(program) || !File.Exists(program), "BURSAR_PROMETHEUS names no prometheus");
        int? waiting = 6;
        await using var gateway = await GatewayAsync(() => waiting);
        await using var server = await PrometheusServer.StartAsync(program!, new Uri(gateway.Urls.First()).Authority);
        await server.UntilAsync("sum(gateway_waiting)", "6");

        await using var world = await ClusterWorld.StartAsync(
            real: false,
            new AgentPlacement(),
            Ct,
            new FleetNode
            {
                Name = "gpu-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 16,
            }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct, new() { PrometheusSources = server.Sources });
        await Scalers.ServeAsync(scene, "chat", replicas: 0);
        await Scalers.ScalerAsync(scene, "chat", Spec("sum(gateway_waiting)"));
        await scene.UntilAsync("it is awake", async () => await scene.ReplicasAsync("chat") == 3);

        waiting = 10;
        await server.UntilAsync("sum(gateway_waiting)", "10");
        await scene.UntilAsync("it has grown", async () => await scene.ReplicasAsync("chat") == 5);

        foreach (
            var (query, error) in ((string, string)[])
                [
                    ("sum(gateway_wating)", "empty"),
                    ("sum(gateway_waiting) by (", "bad_data"),
                    ("gateway_waiting[1m]", "matrix"),
                    ("sum(gateway_waiting) / 0", "Inf"),
                    ("0 * sum(gateway_waiting) / 0", "NaN"),
                ]
        )
        {
            await AskAsync(scene, query);
            await scene.UntilAsync($"{query} is an error", async () =>
                await Scalers.StatusAsync(scene, "chat") is { Reason: "MetricsUnavailable", Message: { } text }
                && text.Contains(error, StringComparison.Ordinal)
            );
            await scene.PassAsync(120);
            (await scene.ReplicasAsync("chat")).Should().Be(5, "{0}", query);
        }
        await AskAsync(scene, "scalar(sum(gateway_waiting)) - 4");
        await scene.UntilAsync("it has shrunk", async () => await scene.ReplicasAsync("chat") == 3, TimeSpan.FromMinutes(6));
        // The gateway is stopped, so Prometheus returns an empty result.
        waiting = null;
        await server.UntilAsync("sum(gateway_waiting)", null);
        await AskAsync(scene, "sum(gateway_waiting)");
        await scene.UntilAsync("it is missed", async () => await Scalers.StatusAsync(scene, "chat") is { Reason: "MetricsUnavailable" });
        await scene.PassAsync(400);
        (await scene.ReplicasAsync("chat")).Should().Be(3);

        await File.WriteAllTextAsync(server.PasswordFile, "another", Ct);
        await scene.UntilAsync("the login is refused", async () =>
            await Scalers.StatusAsync(scene, "chat") is { Message: { } text }
            && text.Contains("401", StringComparison.Ordinal)
            && !text.Contains("another", StringComparison.Ordinal)
        );
    }

    private static string Spec(string query) =>
        $$$"""
            "maxReplicaCount": 8, "pollingInterval": 1, "cooldownPeriod": 30, "triggers": [{"type": "prometheus", "metadata": {"query": "{{{query}}}", "threshold": "2"}}]
            """;

    private static Task AskAsync(Scene scene, string query) =>
        scene.World.Client.PatchAsync<V1Alpha1InferenceScaler>(
            "chat",
            scene.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = JsonNode.Parse("{" + Spec(query) + "}") }),
            Ct
        );

    private static async Task<WebApplication> GatewayAsync(Func<int?> waiting)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var application = builder.Build();
        application.MapGet("/metrics", () =>
            waiting() is { } count
                ? Results.Text(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"# TYPE gateway_waiting gauge\ngateway_waiting{{model=\"chat\"}} {count}\n"
                    ),
                    "text/plain; version=0.0.4"
                )
                : Results.StatusCode(503)
        );
        await application.StartAsync(Ct);
        return application;
    }

    /// <summary>A Prometheus of its own folder, with a certificate of its own and a login.</summary>
    private sealed class PrometheusServer : IAsyncDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("bursar-prometheus-");
        private readonly HttpClient _client;
        private readonly Process _process;

        private PrometheusServer(string program, string gateway)
        {
            var address = $"127.0.0.1:{FreePort.Next()}";
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=prometheus.example", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("prometheus.example");
            request.CertificateExtensions.Add(names.Build());
            using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1));
            var authority = Write("ca.crt", certificate.ExportCertificatePem());
            Write("tls.key", key.ExportPkcs8PrivateKeyPem());
            // The password is "test" (bcrypt), as in Prometheus's own documentation.
            var web = Write(
                "web.yml",
                """
                tls_server_config: {cert_file: ca.crt, key_file: tls.key}
                basic_auth_users: {bursar: $2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay}
                """
            );
            var config = Write(
                "prometheus.yml",
                $"scrape_configs: [{{job_name: gateway, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{{targets: ['{gateway}']}}]}}]\n"
            );
            PasswordFile = Write("password", "test\n");
            Sources = Write(
                "sources.json",
                new JsonArray(
                    new JsonObject
                    {
                        ["name"] = "main",
                        ["address"] = $"https://{address}",
                        ["caFile"] = authority,
                        ["serverName"] = "prometheus.example",
                        ["usernameFile"] = Write("username", "bursar"),
                        ["passwordFile"] = PasswordFile,
                    }
                ).ToJsonString()
            );
            _client = new(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true } })
            {
                BaseAddress = new($"https://{address}"),
            };
            _client.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("bursar:test")));
            _process = Process.Start(
                new ProcessStartInfo(
                    program,
                    [
                        $"--config.file={config}",
                        $"--web.config.file={web}",
                        $"--web.listen-address={address}",
                        $"--storage.tsdb.path={_folder.FullName}/data",
                        "--log.level=error",
                    ]
                )
            )!;
        }

        public string Sources { get; }

        public string PasswordFile { get; }

        public static async Task<PrometheusServer> StartAsync(string program, string gateway)
        {
            var server = new PrometheusServer(program, gateway);
            try
            {
                await server.UntilAsync("vector(1)", "1");
                return server;
            }
            catch
            {
                await server.DisposeAsync();
                throw;
            }
        }

        /// <summary>Wall time, because Prometheus is another program.</summary>
        public async Task UntilAsync(string query, string? value)
        {
            var begun = Stopwatch.StartNew();
            while (true)
            {
                try
                {
                    var answer = JsonNode.Parse(
                        await _client.GetStringAsync(new Uri($"/api/v1/query?query={Uri.EscapeDataString(query)}", UriKind.Relative), Ct)
                    )!["data"]!["result"]!.AsArray();
                    if ((string?)answer.FirstOrDefault()?["value"]?[1] == value)
                        return;
                }
                catch (HttpRequestException) when (!_process.HasExited)
                {
                    // Prometheus is not up yet.
                }
                if (begun.Elapsed > Patience)
                    throw new TimeoutException($"{query} does not become {value ?? "empty"}");
                await Task.Delay(100, Ct);
            }
        }

        public async ValueTask DisposeAsync()
        {
            _client.Dispose();
            if (!_process.HasExited)
                _process.Kill();
            await _process.WaitForExitAsync(Ct);
            _process.Dispose();
            _folder.Delete(recursive: true);
        }

        private string Write(string name, string text)
        {
            var path = Path.Combine(_folder.FullName, name);
            File.WriteAllText(path, text);
            return path;
        }
    }
}
