using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Agent.Certificates;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Admission;
using Bursar.Operator.Http;
using Bursar.Sandbox;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using ApiServer = Bursar.Sandbox.Sandbox;

namespace Bursar.Tests.Integration.Operator.Admission;

/// <summary>
/// The webhook's endpoint: its answers to odd requests, and its certificate's change from one root to the next while it serves.
/// </summary>
public sealed class AdmissionEndpointTests : IAsyncLifetime
{
    private const string Host = "bursar-webhook.bursar.svc";

    private readonly VirtualTimeProvider _time = new(new DateTimeOffset(2026, 11, 21, 8, 0, 0, TimeSpan.Zero));
    private X509Certificate2? _certificate;
    private string _bundle = "";
    private EdgeServer _endpoint = null!;

    public async Task InitializeAsync()
    {
        var root = BursarCa.Create(_time.GetUtcNow());
        var pair = BursarCa.CreateServer(root, [Host], _time.GetUtcNow());
        (_certificate, _bundle) = (X509Certificate2.CreateFromPem(pair.Certificate, pair.PrivateKey), root.Certificate);
        _endpoint = await AdmissionEndpoint.StartAsync(
            "127.0.0.1:0",
            () => _certificate,
            request => new() { Uid = request.Uid!, Warnings = [$"{request.Operation} in {request.Namespace}"] },
            request =>
                new()
                {
                    Uid = request.Uid!,
                    Warnings = [$"by {request.UserInfo?.Username} of {string.Join(',', request.UserInfo?.Groups ?? [])}"],
                },
            NullLoggerFactory.Instance,
            default
        );
    }

    public async Task DisposeAsync() => await _endpoint.DisposeAsync();

    [Fact]
    public async Task Review_is_answered()
    {
        var (status, body) = await PostAsync(
            """{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "7", "operation": "CREATE", "namespace": "team", "object": {"a": [1]}, "dryRun": true, "options": {}}}"""
        );
        status.Should().Be(HttpStatusCode.OK);
        JsonNode
            .Parse(body)!
            .ToJsonString()
            .Should()
            .Be(
                """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"7","allowed":true,"warnings":["CREATE in team"]}}"""
            );
    }

    [Fact]
    public async Task Creator_is_answered_on_a_path_of_its_own()
    {
        var (status, body) = await PostAsync(
            """{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "7", "operation": "CREATE", "userInfo": {"username": "alice@example.com", "uid": "3", "groups": ["a", "b"], "extra": {"x": ["y"]}}}}""",
            "/creator"
        );
        status.Should().Be(HttpStatusCode.OK);
        body.Should().Contain("by alice@example.com of a,b");
    }

    [Fact]
    public async Task Object_nested_as_deeply_as_the_API_server_accepts_is_answered()
    {
        var deep = string.Concat(Enumerable.Repeat("{\"a\":", 400)) + "1" + new string('}', 400);
        var (status, body) = await PostAsync(
            $$$"""{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "7", "operation": "CREATE", "namespace": "team", "object": {{{deep}}} } }"""
        );
        status.Should().Be(HttpStatusCode.OK);
        body.Should().Contain("CREATE in team");
    }

    [Theory]
    [InlineData("", 400)]
    [InlineData("null", 400)]
    [InlineData("[]", 400)]
    [InlineData("{", 400)]
    [InlineData("""{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}""", 400)]
    [InlineData("""{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": ""}}""", 400)]
    [InlineData("""{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "1"}}""", 400)]
    [InlineData("""{"apiVersion": "v1", "kind": "Pod", "request": {"uid": "1"}}""", 400)]
    [InlineData("""{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": 5}}""", 400)]
    public async Task Malformed_review_is_rejected(string body, int status) => ((int)(await PostAsync(body)).Status).Should().Be(status);

    [Fact]
    public async Task Depth_and_size_of_a_review_are_limited()
    {
        ((int)(await PostAsync(new string('[', 100_000))).Status).Should().Be(400);
        ((int)(await PostAsync(new string(' ', AdmissionEndpoint.MostBytes + 1))).Status).Should().Be(413);
        (await PostAsync("{}", path: "/other")).Status.Should().Be(HttpStatusCode.NotFound);
        using var client = Client();
        (await client.GetAsync(new Uri($"https://{Host}/admit"))).StatusCode.Should().Be(HttpStatusCode.MethodNotAllowed);
    }

    [Fact]
    public async Task Endpoint_without_a_certificate_accepts_no_connection()
    {
        _certificate = null;
        await FluentActions.Awaiting(() => PostAsync("{}")).Should().ThrowAsync<HttpRequestException>();
    }

    [Fact]
    public async Task Endpoint_certificate_is_renewed_and_follows_a_new_root_while_it_serves()
    {
        await using var server = await ApiServer.StartAsync(new SandboxOptions(), default);
        using var client = new KubeClient(
            new KubeConfig
            {
                Server = server.Address,
                CertificateAuthorityPem = server.CertificateAuthority,
                Token = server.Token,
            }
        );
        using var stop = new CancellationTokenSource();
        await client.CreateAsync(new V1Namespace { Metadata = new() { Name = "bursar" } }, default);
        var authority = Authority.Create(_time.GetUtcNow());
        await client.CreateAsync(
            new V1Secret
            {
                Metadata = new() { Name = "bursar-ca", Namespace = "bursar" },
                Type = "Opaque",
                Data = authority.Write(),
            },
            default
        );
        var served = new WebhookCertificate(client, "bursar", [Host], _time, NullLogger<WebhookCertificate>.Instance);
        await using var door = await AdmissionEndpoint.StartAsync(
            "127.0.0.1:0",
            () => served.Current,
            request => new() { Uid = request.Uid! },
            request => new() { Uid = request.Uid! },
            NullLoggerFactory.Instance,
            default
        );
        _ = served.RunAsync(stop.Token);
        await Eventually.TrueAsync(() => _time.Pending == 1, "the first look is over");
        async Task LookAsync(TimeSpan by)
        {
            foreach (var step in (TimeSpan[])[by, WebhookCertificate.PollInterval])
            {
                var end = _time.GetUtcNow() + step;
                _time.Advance(step);
                await Eventually.TrueAsync(() => _time.NextDue > end, "the look is over");
            }
        }
        // An API server that trusts this bundle, at this moment.
        async Task<X509Certificate2> ShakeAsync(string roots)
        {
            var seen = await SeenAsync(door.Address);
            var trusted = new X509Certificate2Collection();
            trusted.ImportFromPem(roots);
            PeerCheck.Refusal(seen, trusted, PeerPurpose.Server, Host, _time.GetUtcNow()).Should().BeNull();
            return seen;
        }
        async Task WriteAsync(Authority next)
        {
            authority = next;
            var data = new JsonObject();
            foreach (var (key, value) in authority.Write())
                data[key] = Convert.ToBase64String(value);
            await client.PatchAsync<V1Secret>("bursar-ca", "bursar", KubePatch.Json(PatchOperation.Replace("/data", data)), default);
        }

        var first = await ShakeAsync(authority.Bundle());
        await LookAsync(TimeSpan.FromDays(61));
        var renewed = await ShakeAsync(authority.Bundle());
        renewed.SerialNumber.Should().NotBe(first.SerialNumber, "a third of its life was left");
        await LookAsync(TimeSpan.FromDays(1));
        (await ShakeAsync(authority.Bundle())).SerialNumber.Should().Be(renewed.SerialNumber, "nothing was due");

        // The next root is in the bundle before it signs, and the old one after.
        await LookAsync(BursarCa.RootLife - CertificateController.RenewRootBefore - TimeSpan.FromDays(62));
        var alone = authority.Bundle();
        await WriteAsync(authority.Advance(_time.GetUtcNow(), spread: true));
        authority.Next.Should().NotBeNull();
        var both = authority.Bundle();
        await LookAsync(CertificateController.RootOverlap);
        await ShakeAsync(alone);
        await ShakeAsync(both);
        await WriteAsync(authority.Advance(_time.GetUtcNow(), spread: true));
        authority.Next.Should().BeNull();
        // Before the webhook has seen the new root and after, with the old bundle's overlap and with the new bundle.
        await ShakeAsync(both);
        await ShakeAsync(authority.Bundle());
        await LookAsync(WebhookCertificate.PollInterval);
        var under = await ShakeAsync(both);
        await ShakeAsync(authority.Bundle());
        await ShakeAsync(authority.Current.Certificate);
        under.Issuer.Should().NotBe(renewed.Issuer);

        // The old root ends.
        await LookAsync(CertificateController.RenewRootBefore);
        await WriteAsync(authority.Advance(_time.GetUtcNow(), spread: true));
        authority.Previous.Should().BeEmpty();
        await LookAsync(WebhookCertificate.PollInterval);
        await ShakeAsync(authority.Bundle());
        await stop.CancelAsync();
    }

    private async Task<(HttpStatusCode Status, string Body)> PostAsync(string body, string path = "/admit")
    {
        using var client = Client();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"https://{Host}{path}")
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        // A body that is too large is refused before it is sent: a server that closes meanwhile would break the request.
        request.Headers.ExpectContinue = body.Length > AdmissionEndpoint.MostBytes;
        using var answer = await client.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>A client like an API server: it connects to the Service's address, and expects the Service's name.</summary>
    private HttpClient Client()
    {
        var trusted = new X509Certificate2Collection();
        trusted.ImportFromPem(_bundle);
        return new(
            new SocketsHttpHandler
            {
                ConnectCallback = async (_, ct) => await ConnectAsync(_endpoint.Address, ct),
                SslOptions = new()
                {
                    RemoteCertificateValidationCallback = (_, seen, _, _) =>
                        PeerCheck.Refusal(seen as X509Certificate2, trusted, PeerPurpose.Server, Host, _time.GetUtcNow()) is null,
                },
            }
        );
    }

    private static async Task<NetworkStream> ConnectAsync(string address, CancellationToken ct)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPEndPoint.Parse(address), ct);
        return new(socket, ownsSocket: true);
    }

    private static async Task<X509Certificate2> SeenAsync(string address)
    {
        X509Certificate2? seen = null;
        await using var stream = new SslStream(await ConnectAsync(address, default), leaveInnerStreamOpen: false, (_, peer, _, _) =>
        {
            seen = new((X509Certificate2)peer!);
            return true;
        });
        await stream.AuthenticateAsClientAsync(Host);
        return seen!;
    }
}
