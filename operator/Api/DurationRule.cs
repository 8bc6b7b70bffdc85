namespace Bursar.Api;

/// <summary>Durations in CEL, whose own function does not support days.</summary>
internal static class DurationRule
{
    /// <summary>
    /// The whole seconds of a field that matches <see cref="Core.Text.GoDuration.Pattern"/>, in which days are first and whole. It does not
    /// join or split strings, because the API server would estimate too high a cost and refuse the CRD.
    /// </summary>
    public const string Seconds =
        "(self.contains('d') ? int(self.substring(0, self.indexOf('d'))) * 86400 + (self.endsWith('d') ? 0 : duration(self.substring(self.indexOf('d') + 1)).getSeconds()) : duration(self).getSeconds())";
}
