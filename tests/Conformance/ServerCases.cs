using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>The server as a whole: health, version, discovery, OpenAPI, who may come in.</summary>
public sealed class ServerCases(EveryApiServer servers) : ApiCase(servers)
{
    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Health_and_version_answer(string server)
    {
        var api = await On(server);
        foreach (var path in (string[])["/healthz", "/readyz", "/livez"])
        {
            (await api.GetAsync(path, "*/*")).Text.Should().Be("ok");
        }

        ((string?)(await api.GetAsync("/version")).Body!["gitVersion"]).Should().StartWith("v1.36.");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Answers_date_is_the_clock_of_its_objects_times(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        using var body = new StringContent(ConfigMap("dated"), Encoding.UTF8, "application/json");
        using var reply = await api.Http.PostAsync(new Uri(ConfigMaps(ns), UriKind.Relative), body);
        var made = JsonNode.Parse(await reply.Content.ReadAsStringAsync())!;
        var created = DateTimeOffset.Parse((string)made["metadata"]!["creationTimestamp"]!, CultureInfo.InvariantCulture);
        reply.Headers.Date.Should().BeOnOrAfter(created).And.BeBefore(created.AddSeconds(5));
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Request_without_a_valid_token_is_unauthorized(string server)
    {
        var api = await On(server);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/api/v1/namespaces", UriKind.Relative));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "wrong");
        using var reply = await api.Http.SendAsync(request);
        ((int)reply.StatusCode).Should().Be(401);
        var status = JsonNode.Parse(await reply.Content.ReadAsStringAsync())!;
        ((string?)status["reason"]).Should().Be("Unauthorized");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Discovery_lists_groups_and_resources(string server)
    {
        var api = await On(server);
        var groups = (await api.GetAsync("/apis")).Body!["groups"]!.AsArray().Select(g => (string?)g!["name"]);
        groups
            .Should()
            .Contain(["apps", "batch", "apiextensions.k8s.io", "coordination.k8s.io", "events.k8s.io", "rbac.authorization.k8s.io"]);
        var batch = (await api.GetAsync("/apis/batch/v1")).Body!;
        ((string?)batch["kind"]).Should().Be("APIResourceList");
        batch["resources"]!.AsArray().Select(r => (string?)r!["name"]).Should().Contain(["jobs", "jobs/status", "cronjobs"]);
        var pods = (await api.GetAsync("/api/v1")).Body!["resources"]!.AsArray().Single(r => (string?)r!["name"] == "pods")!;
        pods["verbs"]!
            .AsArray()
            .Select(v => (string?)v)
            .Should()
            .BeEquivalentTo("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch");
        pods["shortNames"]!.ToJsonString().Should().Be("[\"po\"]");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Discovery_is_there_in_one_document(string server)
    {
        var api = await On(server);
        var reply = await api.GetAsync("/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
        ((string?)reply.Body!["kind"]).Should().Be("APIGroupDiscoveryList");
        var batch = reply.Body["items"]!.AsArray().Single(i => (string?)i!["metadata"]!["name"] == "batch")!;
        var jobs = batch["versions"]!.AsArray().Single(v => (string?)v!["version"] == "v1")!["resources"]!
            .AsArray()
            .Single(r => (string?)r!["resource"] == "jobs")!;
        ((string?)jobs["responseKind"]!["kind"]).Should().Be("Job");
        ((string?)jobs["scope"]).Should().Be("Namespaced");
        jobs["subresources"]!.AsArray().Select(s => (string?)s!["subresource"]).Should().Equal("status");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task OpenApi_v3_has_what_apply_needs(string server)
    {
        var api = await On(server);
        var index = (await api.GetAsync("/openapi/v3")).Body!;
        var url = (string)index["paths"]!["apis/batch/v1"]!["serverRelativeURL"]!;
        var document = (await api.GetAsync(url)).Body!;
        var patch = document["paths"]!["/apis/batch/v1/namespaces/{namespace}/jobs/{name}"]!["patch"]!;
        ((string?)patch["x-kubernetes-group-version-kind"]!["kind"]).Should().Be("Job");
        patch["parameters"]!.AsArray().Select(p => (string?)p!["name"]).Should().Contain(["fieldValidation", "dryRun"]);
        document["components"]!["schemas"]!["io.k8s.api.batch.v1.Job"].Should().NotBeNull();
    }
}
