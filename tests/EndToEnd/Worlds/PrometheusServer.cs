using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>
/// A real Prometheus with its own folder, certificate and login. <c>BURSAR_PROMETHEUS</c> names the program; otherwise it is the one in
/// <c>.tools</c>.
/// </summary>
internal sealed class PrometheusServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("bursar-prometheus-");
    private readonly HttpClient _client;
    private readonly Process _process;

    private PrometheusServer(string program, string[] targets)
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
            // The chart's ServiceMonitors honor labels too, because namespace and pod name the budget and the workload.
            $"scrape_configs: [{{job_name: test, honor_labels: true, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{{targets: ['{string.Join("', '", targets)}']}}]}}]\n"
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

    private static CancellationToken Ct => CancellationToken.None;

    public string Sources { get; }

    public string PasswordFile { get; }

    /// <summary>The path of the program; skips the test where there is none.</summary>
    public static string Require()
    {
        var program = Environment.GetEnvironmentVariable("BURSAR_PROMETHEUS") is { Length: > 0 } named
            ? named
            : Path.Combine(Repository.Root, ".tools", "prometheus");
        Skip.IfNot(File.Exists(program), "no prometheus: make tools unpacks it");
        return program;
    }

    /// <param name="targets">host:port of each page <c>/metrics</c> that it reads every second.</param>
    public static async Task<PrometheusServer> StartAsync(params string[] targets)
    {
        var server = new PrometheusServer(Require(), targets);
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
                if ((string?)(await QueryAsync(query)).FirstOrDefault()?["value"]?[1] == value)
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

    /// <summary>Returns the samples of an expression now. Fails with Prometheus' message if it cannot be parsed.</summary>
    public async Task<JsonArray> QueryAsync(string query)
    {
        using var answer = await _client.GetAsync(new Uri($"/api/v1/query?query={Uri.EscapeDataString(query)}", UriKind.Relative), Ct);
        // Until it is ready, Prometheus answers with a text instead of JSON.
        if (answer.StatusCode >= System.Net.HttpStatusCode.InternalServerError)
            answer.EnsureSuccessStatusCode();
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Ct))!;
        return (string)body["status"]! == "success"
            ? body["data"]!["result"]!.AsArray()
            : throw new InvalidOperationException($"{query}: {body["error"]}");
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
