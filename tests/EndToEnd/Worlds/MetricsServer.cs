using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>
/// The API services that a HorizontalPodAutoscaler asks for figures, external.metrics.k8s.io and custom.metrics.k8s.io, on loopback. Bursar
/// itself has none: this one is the tests'.
/// </summary>
internal sealed class MetricsServer : IAsyncDisposable
{
    private static readonly (string Group, string Version)[] Groups =
    [
        ("external.metrics.k8s.io", "v1beta1"),
        ("custom.metrics.k8s.io", "v1beta2"),
    ];
    private readonly WebApplication _app;

    private MetricsServer(WebApplication app) => _app = app;

    private int Port =>
        new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;

    /// <param name="external">One figure in milli-units; null is an error.</param>
    /// <param name="ofPods">One each pod; null is an error.</param>
    /// <param name="ct">Ends the start.</param>
    public static async Task<MetricsServer> StartAsync(
        Func<string, Task<long?>> external,
        Func<string, Task<IReadOnlyDictionary<string, long>?>> ofPods,
        CancellationToken ct
    )
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder
            .WebHost.UseKestrelHttpsConfiguration()
            .ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(Certificate())));
        var app = builder.Build();
        foreach (var (group, version) in Groups)
            app.MapGet($"/apis/{group}/{version}", () => Json(
                    new()
                    {
                        ["kind"] = "APIResourceList",
                        ["apiVersion"] = "v1",
                        ["groupVersion"] = $"{group}/{version}",
                        ["resources"] = new JsonArray(),
                    }
                ));
        app.MapGet("/apis/external.metrics.k8s.io/v1beta1/namespaces/{team}/{metric}", async (string metric) => await external(metric)
                is { } value
                ? Json(
                    new()
                    {
                        ["kind"] = "ExternalMetricValueList",
                        ["apiVersion"] = "external.metrics.k8s.io/v1beta1",
                        ["items"] = new JsonArray(
                            new JsonObject
                            {
                                ["metricName"] = metric,
                                ["metricLabels"] = new JsonObject(),
                                ["timestamp"] = Now(),
                                ["value"] = $"{value}m",
                            }
                        ),
                    }
                )
                : Results.StatusCode(404));
        app.MapGet("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{team}/pods/{pods}/{metric}", async (string metric) => await ofPods(
                metric
            )
                is { } values
                ? Json(
                    new()
                    {
                        ["kind"] = "MetricValueList",
                        ["apiVersion"] = "custom.metrics.k8s.io/v1beta2",
                        ["items"] = new JsonArray([
                            .. values.Select(value => new JsonObject
                            {
                                ["describedObject"] = new JsonObject
                                {
                                    ["kind"] = "Pod",
                                    ["name"] = value.Key,
                                    ["apiVersion"] = "v1",
                                },
                                ["metric"] = new JsonObject { ["name"] = metric },
                                ["timestamp"] = Now(),
                                ["value"] = $"{value.Value}m",
                            }),
                        ]),
                    }
                )
                : Results.StatusCode(404));
        await app.StartAsync(ct);
        return new(app);
    }

    /// <summary>The APIServices that make an API server forward these groups to this server.</summary>
    public async Task RegisterAsync(RawClient client, CancellationToken ct)
    {
        await client.PostAsync(
            "/api/v1/namespaces/default/services",
            new()
            {
                ["apiVersion"] = "v1",
                ["kind"] = "Service",
                ["metadata"] = new JsonObject { ["name"] = "figures" },
                ["spec"] = new JsonObject { ["type"] = "ExternalName", ["externalName"] = "127.0.0.1" },
            },
            ct
        );
        foreach (var (group, version) in Groups)
        {
            await client.PostAsync(
                "/apis/apiregistration.k8s.io/v1/apiservices",
                new()
                {
                    ["apiVersion"] = "apiregistration.k8s.io/v1",
                    ["kind"] = "APIService",
                    ["metadata"] = new JsonObject { ["name"] = $"{version}.{group}" },
                    ["spec"] = new JsonObject
                    {
                        ["group"] = group,
                        ["version"] = version,
                        ["groupPriorityMinimum"] = 100,
                        ["versionPriority"] = 100,
                        ["insecureSkipTLSVerify"] = true,
                        ["service"] = new JsonObject
                        {
                            ["namespace"] = "default",
                            ["name"] = "figures",
                            ["port"] = Port,
                        },
                    },
                },
                ct
            );
        }
        var deadline = DateTime.UtcNow.AddSeconds(60);
        foreach (var (group, version) in Groups)
        {
            while (true)
            {
                var service = await client.GetAsync($"/apis/apiregistration.k8s.io/v1/apiservices/{version}.{group}", ct);
                var available = service["status"]?["conditions"]?.AsArray().FirstOrDefault(one => (string?)one!["type"] == "Available");
                if ((string?)available?["status"] == "True")
                    break;
                if (DateTime.UtcNow > deadline)
                    throw new TimeoutException($"{group} does not become available: {available?.ToJsonString()}");
                await Task.Delay(100, ct);
            }
        }
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private static string Now() => DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private static IResult Json(JsonObject body) => Results.Text(body.ToJsonString(), "application/json");

    private static X509Certificate2 Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=figures", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
    }
}

/// <summary>JSON over an API server's HTTP, as it is.</summary>
internal sealed class RawClient(HttpClient http)
{
    public Task<JsonNode> GetAsync(string path, CancellationToken ct) => SendAsync(HttpMethod.Get, path, null, "application/json", ct);

    public Task<JsonNode> PostAsync(string path, JsonObject body, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, path, body, "application/json", ct);

    public Task<JsonNode> MergeAsync(string path, JsonObject body, CancellationToken ct) =>
        SendAsync(HttpMethod.Patch, path, body, "application/merge-patch+json", ct);

    public Task<JsonNode> DeleteAsync(string path, CancellationToken ct) =>
        SendAsync(HttpMethod.Delete, path, new() { ["gracePeriodSeconds"] = 0 }, "application/json", ct);

    private async Task<JsonNode> SendAsync(HttpMethod method, string path, JsonObject? body, string type, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, type);
        using var answer = await http.SendAsync(request, ct);
        var text = await answer.Content.ReadAsStringAsync(ct);
        return answer.IsSuccessStatusCode
            ? JsonNode.Parse(text)!
            : throw new InvalidOperationException($"{method} {path}: {(int)answer.StatusCode} {text}");
    }
}
