# What tools/redis_suite.py changes in the Tcl test suite of redis 7.0: sourced by its
# test_helper.tcl behind the libraries. RINGMAIN_SUITE_SERVERS: the ports of the servers.
#
# DEBUG, SAVE, BGSAVE, BGREWRITEAOF, ACL, SCRIPT KILL and FUNCTION KILL mean one server, so ringmain
# refuses them, and CONFIG does not belong to a transaction there; the suite uses them as
# housekeeping. They go to each server directly. The last one's answer counts, of those that have the
# key or the script if the command means one. DEBUG LOG, before each test, is left out. Deferred
# clients always talk to ringmain.
#
# What the suite looks up in INFO (changes since the last save, a rewrite that is under way, figures
# of commands) is asked of ringmain, and where ringmain does not say, of the servers, and added up.

set ::suite_servers {}

proc suite_servers {} {
    if {$::suite_servers eq {}} {
        foreach port $::env(RINGMAIN_SUITE_SERVERS) {
            lappend ::suite_servers [redis 127.0.0.1 $port]
        }
    }
    return $::suite_servers
}

proc suite_on_servers {method arguments} {
    foreach server [suite_servers] {
        if {[catch {$server $method {*}$arguments} answer]} {
            if {![regexp {^(ERR no such key|NOTBUSY)} $answer]} { error $answer }
            set missing $answer
        } else {
            set found $answer
        }
    }
    if {[info exists found]} { return $found }
    error $missing
}

proc suite_is_housekeeping {method arguments} {
    set first [string tolower [lindex $arguments 0]]
    switch [string tolower $method] {
        debug - save - bgsave - bgrewriteaof - acl - config { return 1 }
        script - function { return [expr {$first eq {kill}}] }
    }
    return 0
}

rename ::redis::__dispatch__raw__ ::redis::__dispatch__through__

proc ::redis::__dispatch__raw__ {id method argv} {
    set through [expr {$::redis::deferred($id) || !$::redis::blocking($id) ||
                       [lindex $::redis::addr($id) 1] != $::port}]
    if {!$through && [suite_is_housekeeping $method $argv]} {
        if {[string equal -nocase [list $method [lindex $argv 0]] {debug log}]} { return OK }
        return [suite_on_servers $method $argv]
    }
    ::redis::__dispatch__through__ $id $method $argv
}

proc status {r property} {
    set own [expr {$property in {aof_rewrite_in_progress rdb_bgsave_in_progress} ? {} :
                   [getInfoProperty [{*}$r info] $property]}]
    if {$own ne {}} { return $own }
    set sum 0
    foreach server [suite_servers] {
        set value [getInfoProperty [$server info] $property]
        if {![string is integer -strict $value]} { return $value }
        incr sum $value
    }
    return [expr {[string match *_in_progress $property] ? $sum > 0 : $sum}]
}

# The servers' lines of "errorstat_NAME:count=1" or "cmdstat_NAME:calls=1,...": the first that says so.
proc suite_stat {section field} {
    foreach server [suite_servers] {
        set value [getInfoProperty [$server info $section] $field]
        if {$value ne {}} { return $value }
    }
    return {}
}

proc cmdrstat {cmd r} { suite_stat commandstats "cmdstat_$cmd" }
proc errorrstat {cmd r} { suite_stat errorstats "errorstat_$cmd" }
